//! Owns why no slug was made. Must not know how one is made.

use std::io;
use std::path::PathBuf;

use grid::name::ProcessType;

use crate::component::{InspectError, UnfitError};
use crate::format;
use crate::link::LinkError;
use crate::manifest::ManifestError;
use crate::path::{PathError, SlugPath};

/// Why no slug was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The disk said no.
    #[error("{} cannot be read", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk said no.
    #[error("{} cannot be written: is the disk full, or the folder read-only?", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name that no slug holds.
    #[error("`{name}` cannot be in a slug; rename it, or leave it out with .slugignore")]
    Name {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// A symbolic link that leads elsewhere.
    #[error(
        "the symbolic link `{name}` -> `{target}` cannot be in a slug: put a copy in its place, or leave it out with .slugignore"
    )]
    Link {
        /// Its name.
        name: String,
        /// Where it leads, made safe to show.
        target: String,
        /// Why.
        #[source]
        source: LinkError,
    },
    /// A pipe, a socket …
    #[error(
        "`{name}` is {what}, and a slug holds files and symbolic links only: copy the file in its place, or leave it out with .slugignore"
    )]
    NotAFile {
        /// Its name.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A pattern that is none.
    #[error("{place}: `{pattern}` is no gitignore pattern")]
    Pattern {
        /// Where it is written.
        place: &'static str,
        /// As written.
        pattern: String,
        /// Why.
        #[source]
        source: ignore::Error,
    },
    /// More than a slug holds.
    #[error(
        "there are more files and folders than the {} that a slug holds: leave some out with .slugignore",
        format::ENTRIES_MAX
    )]
    TooManyFiles,
    /// A process type whose component is not there.
    #[error(
        "`{process}` runs `{component}`, which is not there: {}",
        made(available)
    )]
    NoComponent {
        /// The process type.
        process: ProcessType,
        /// The file it names.
        component: SlugPath,
        /// What the build made.
        available: Vec<SlugPath>,
    },
    /// Several components, and nothing that says what they are for.
    #[error("there are several components ({}): say in a Procfile which one is which, as in `web: {}`", list(available), available[0])]
    NoProcfile {
        /// What the build made.
        available: Vec<SlugPath>,
    },
    /// A component that cannot run here.
    #[error("`{component}` cannot run here")]
    Component {
        /// The file.
        component: SlugPath,
        /// Why.
        #[source]
        source: InspectError,
    },
    /// A component that cannot be what it is named for.
    #[error("`{component}` cannot be `{process}`")]
    Unfit {
        /// The file.
        component: SlugPath,
        /// The process type.
        process: ProcessType,
        /// Why.
        #[source]
        source: UnfitError,
    },
    /// A formation of nothing.
    #[error(
        "the formation (dyno.toml, app.json) names `{process}`, which is no process type of the app; it has {known}"
    )]
    Formation {
        /// The process type.
        process: ProcessType,
        /// What there is.
        known: String,
    },
    /// Over one of a slug's limits.
    #[error("the app does not fit into a slug; leave files out with .slugignore")]
    Manifest(#[source] ManifestError),
    /// Unpacks to far more than any app would.
    #[error(
        "the app's files shrink to less than 1/{} when packed, which is refused as a bomb: leave out the large file of equal bytes, or make it when the app starts",
        format::RATIO_MAX
    )]
    Bomb,
    /// Someone wrote to the folder meanwhile.
    #[error("`{name}` changed while it was packed: build again")]
    Changed {
        /// The file.
        name: SlugPath,
    },
}

fn list(paths: &[SlugPath]) -> String {
    paths
        .iter()
        .map(|path| format!("`{path}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn made(available: &[SlugPath]) -> String {
    match available {
        [] => "build it first, or correct the Procfile".to_owned(),
        _ => format!("the build made {}; correct the Procfile", list(available)),
    }
}

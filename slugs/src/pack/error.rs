//! Owns the reasons why no slug was made. Must not know how slugs are made.

use std::io;
use std::path::PathBuf;

use grid::name::ProcessType;

use crate::app_files::AppFilesError;
use crate::component::error::{InspectError, UnfitError};
use crate::format;
use crate::manifest::slug_json::ManifestError;
use crate::path::SlugPath;

/// Why no slug was made. No file is left behind.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The system refused to read a file.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The system refused to write the slug.
    #[error("{} cannot be written: is the disk full, or the folder read-only?", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The app's files cannot be listed.
    #[error(transparent)]
    Files(#[from] AppFilesError),
    /// The component of a process type is missing.
    #[error(
        "`{process}` runs `{component}`, which is not there: {}",
        advise_component(available)
    )]
    NoComponent {
        /// The process type.
        process: ProcessType,
        /// The component that it names.
        component: SlugPath,
        /// The components that the build made.
        available: Vec<SlugPath>,
    },
    /// The app has several components, and no Procfile that gives each its process type.
    #[error("there are several components ({}): say in a Procfile which one is which, as in `web: {}`", join_names(available), available[0])]
    NoProcfile {
        /// The components that the build made.
        available: Vec<SlugPath>,
    },
    /// The component cannot run here.
    #[error("`{component}` cannot run here")]
    Component {
        /// The file.
        component: SlugPath,
        /// The reason.
        #[source]
        source: InspectError,
    },
    /// The component cannot run as this process type.
    #[error("`{component}` cannot be `{process}`")]
    Unfit {
        /// The file.
        component: SlugPath,
        /// The process type.
        process: ProcessType,
        /// The reason.
        #[source]
        source: UnfitError,
    },
    /// The formation names an unknown process type.
    #[error(
        "the formation (dyno.toml, app.json) names `{process}`, which is not a process type of the app; the app has {known}"
    )]
    Formation {
        /// The process type.
        process: ProcessType,
        /// The process types of the app.
        known: String,
    },
    /// The app exceeds a limit of slugs.
    #[error("the app does not fit into a slug: leave files out with .slugignore")]
    Manifest(#[source] ManifestError),
    /// The slug would unpack to far more bytes than the files of any app.
    #[error(
        "the app's files shrink to less than 1/{} when packed, like a decompression bomb: leave out the large file of equal bytes, or make it when the app starts",
        format::RATIO_MAX
    )]
    Bomb,
    /// A file changed while it was packed.
    #[error("`{name}` changed while it was packed: build again")]
    Changed {
        /// The file.
        name: SlugPath,
    },
}

fn join_names(paths: &[SlugPath]) -> String {
    paths
        .iter()
        .map(|path| format!("`{path}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn advise_component(available: &[SlugPath]) -> String {
    match available {
        [] => "build it first, or correct the Procfile".to_owned(),
        _ => format!(
            "the build made {}; correct the Procfile",
            join_names(available)
        ),
    }
}

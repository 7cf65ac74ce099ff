//! Owns why a slug is refused. Must not know how it is read.

use std::io;

use grid::name::ProcessType;

use crate::component::{InspectError, UnfitError, World};
use crate::format::{self, MANIFEST_NAME};
use crate::manifest::ManifestError;
use crate::path::PathError;

/// Why a slug is refused as a whole. `entry` is the name as it stands in the archive, made safe to show.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The source of the bytes failed.
    #[error("the slug cannot be read")]
    Read(#[source] io::Error),
    /// The place to unpack to failed.
    #[error("`{entry}` cannot be unpacked: is the disk full, or the folder read-only?")]
    Write {
        /// The entry.
        entry: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not zstd, damaged, or with a window that needs too much memory.
    #[error("not a slug, or damaged on its way (zstd): get it again, or build it again")]
    Compression(#[source] io::Error),
    /// It ends too early.
    #[error("cut off at `{entry}`: get it again, or build it again")]
    Truncated {
        /// The entry it ends in, or that should follow.
        entry: String,
    },
    /// Something after the end.
    #[error("data after the slug's end ({place}): build it with `dyno build`")]
    Trailing {
        /// Where.
        place: &'static str,
    },
    /// More than a slug may hold.
    #[error("`{entry}`: larger than a slug may be ({what}): leave files out with .slugignore")]
    TooLarge {
        /// The entry where the limit was reached.
        entry: String,
        /// Which limit.
        what: &'static str,
    },
    /// Unpacks to far more than any app would.
    #[error(
        "`{entry}`: unpacks to over {}× its size, as a bomb does: leave the file out, or make it when the app starts",
        format::RATIO_MAX
    )]
    Bomb {
        /// The entry where the limit was reached.
        entry: String,
    },
    /// The manifest is not the first entry.
    #[error(
        "the first entry is `{entry}`, and it must be {MANIFEST_NAME}: build it with `dyno build`"
    )]
    NoManifest {
        /// What is there instead.
        entry: String,
    },
    /// The manifest is there, but not acceptable.
    #[error("`{MANIFEST_NAME}` is refused")]
    Manifest(#[source] ManifestError),
    /// A second manifest.
    #[error("`{MANIFEST_NAME}` is there twice: build it with `dyno build`")]
    SecondManifest,
    /// A link that the manifest does not have, a device, an extension record …
    #[error("`{entry}` is {what} that a slug cannot have there: build it with `dyno build`")]
    NotAFile {
        /// The entry.
        entry: String,
        /// What it is.
        what: &'static str,
    },
    /// A name that no file in a slug may have.
    #[error("`{entry}` is no name for a file in a slug")]
    Name {
        /// The entry.
        entry: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Not below `app/`.
    #[error("`{entry}` is outside of the app's folder (app/): build it with `dyno build`")]
    Outside {
        /// The entry.
        entry: String,
    },
    /// The same name again.
    #[error("`{entry}` is there twice: build it with `dyno build`")]
    Duplicate {
        /// The entry.
        entry: String,
    },
    /// Not what the manifest says comes next.
    #[error("`{entry}` is there, and {MANIFEST_NAME} has `{expected}`: build it with `dyno build`")]
    Unexpected {
        /// The entry.
        entry: String,
        /// What should be there.
        expected: String,
    },
    /// A header, or the fill after a file, that packing would not have written.
    #[error("`{entry}` has a header or fill that no slug has: build it with `dyno build`")]
    NotCanonical {
        /// The entry.
        entry: String,
    },
    /// Other contents than the manifest says.
    #[error(
        "`{entry}` does not match its digest in {MANIFEST_NAME}: get the slug again, or build it again"
    )]
    Digest {
        /// The entry.
        entry: String,
    },
    /// A component that cannot run here.
    #[error("`{entry}` cannot run here")]
    Component {
        /// The entry.
        entry: String,
        /// Why.
        #[source]
        source: InspectError,
    },
    /// A component that cannot be what the manifest makes of it.
    #[error("`{entry}` cannot be `{process}`")]
    Unfit {
        /// The entry.
        entry: String,
        /// The process type.
        process: ProcessType,
        /// Why.
        #[source]
        source: UnfitError,
    },
    /// A component that is something else than the manifest says.
    #[error(
        "`{entry}` is not the {said} that {MANIFEST_NAME} says for `{process}`: build it with `dyno build`"
    )]
    World {
        /// The entry.
        entry: String,
        /// The process type.
        process: ProcessType,
        /// The world that is claimed.
        said: World,
    },
    /// A command word for a component that only answers requests.
    #[error(
        "`{entry}` cannot be run as `{word}`: it answers requests and is no command, which exports `wasi:cli/run`"
    )]
    NotACommand {
        /// The entry.
        entry: String,
        /// The command word.
        word: String,
    },
}

//! Owns the reasons why a slug is refused. Must not know how a slug is read.

use std::io;

use grid::name::ProcessType;

use crate::component::{InspectError, UnfitError, World};
use crate::format::{self, MANIFEST_NAME};
use crate::manifest::slug_json::ManifestError;
use crate::path::PathError;

/// Why a slug is refused. `entry` is a name in the archive, made safe to print.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The reader failed.
    #[error("the slug cannot be read")]
    Read(#[source] io::Error),
    /// A file cannot be written while unpacking.
    #[error("`{entry}` cannot be unpacked: is the disk full, or the folder read-only?")]
    Write {
        /// The entry.
        entry: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The bytes are not zstd, are damaged, or have a window that needs too much memory.
    #[error(
        "this is not a slug, or it was damaged in transfer (zstd): get it again, or build it again"
    )]
    Compression(#[source] io::Error),
    /// The slug ends too early.
    #[error("the slug is cut off at `{entry}`: get it again, or build it again")]
    Truncated {
        /// The entry that is incomplete or missing.
        entry: String,
    },
    /// The slug has data after its end.
    #[error("data after the slug's end ({place}): build the slug with `dyno build`")]
    Trailing {
        /// The place of the data.
        place: &'static str,
    },
    /// More than a slug may hold.
    #[error(
        "`{entry}`: the slug is larger than allowed ({what}): leave files out with .slugignore"
    )]
    TooLarge {
        /// The entry where the limit was reached.
        entry: String,
        /// The limit.
        what: &'static str,
    },
    /// The slug unpacks to far more bytes than the files of any app.
    #[error(
        "`{entry}`: the slug unpacks to over {}× its size, like a decompression bomb: leave the file out, or make it when the app starts",
        format::RATIO_MAX
    )]
    Bomb {
        /// The entry where the limit was reached.
        entry: String,
    },
    /// The manifest is not the first entry.
    #[error(
        "the first entry is `{entry}` instead of {MANIFEST_NAME}: build the slug with `dyno build`"
    )]
    NoManifest {
        /// The first entry.
        entry: String,
    },
    /// The manifest is not acceptable.
    #[error("`{MANIFEST_NAME}` is refused")]
    Manifest(#[source] ManifestError),
    /// The manifest is there twice.
    #[error("`{MANIFEST_NAME}` is there twice: build the slug with `dyno build`")]
    SecondManifest,
    /// The entry is a link that the manifest does not list, a device, an extension record or the like.
    #[error(
        "`{entry}` is {what}, which a slug cannot have there: build the slug with `dyno build`"
    )]
    NotAFile {
        /// The entry.
        entry: String,
        /// The kind of the entry.
        what: &'static str,
    },
    /// The entry has a name that no file in a slug may have.
    #[error("`{entry}` cannot be the name of a file in a slug")]
    Name {
        /// The entry.
        entry: String,
        /// The reason.
        #[source]
        source: PathError,
    },
    /// The entry is not below `app/`.
    #[error("`{entry}` is outside of the app's folder (app/): build the slug with `dyno build`")]
    Outside {
        /// The entry.
        entry: String,
    },
    /// The entry is there twice.
    #[error("`{entry}` is there twice: build the slug with `dyno build`")]
    Duplicate {
        /// The entry.
        entry: String,
    },
    /// The entry is not the one that follows according to the manifest.
    #[error(
        "`{entry}` is where {MANIFEST_NAME} has `{expected}`: build the slug with `dyno build`"
    )]
    Unexpected {
        /// The entry.
        entry: String,
        /// The entry that should be there.
        expected: String,
    },
    /// The header, or the padding after the file, is not the one that `pack` writes.
    #[error("`{entry}` has a header or padding that no slug has: build the slug with `dyno build`")]
    NotCanonical {
        /// The entry.
        entry: String,
    },
    /// The contents do not match the digest in the manifest.
    #[error(
        "`{entry}` does not match its digest in {MANIFEST_NAME}: get the slug again, or build it again"
    )]
    Digest {
        /// The entry.
        entry: String,
    },
    /// The component cannot run here.
    #[error("`{entry}` cannot run here")]
    Component {
        /// The entry.
        entry: String,
        /// The reason.
        #[source]
        source: InspectError,
    },
    /// The component cannot run as the process type that the manifest names.
    #[error("`{entry}` cannot be `{process}`")]
    Unfit {
        /// The entry.
        entry: String,
        /// The process type.
        process: ProcessType,
        /// The reason.
        #[source]
        source: UnfitError,
    },
    /// The component is for another world than the manifest says.
    #[error(
        "{MANIFEST_NAME} says that `{entry}` runs `{process}` as {said}, and it does not: build the slug with `dyno build`"
    )]
    World {
        /// The entry.
        entry: String,
        /// The process type.
        process: ProcessType,
        /// The world in the manifest.
        said: World,
    },
    /// A command word runs a component that only answers requests.
    #[error(
        "`{entry}` cannot be run as `{word}`: it only answers requests; a command exports `wasi:cli/run`"
    )]
    NotACommand {
        /// The entry.
        entry: String,
        /// The command word.
        word: String,
    },
}

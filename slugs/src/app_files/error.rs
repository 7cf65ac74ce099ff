//! Owns the reasons why an app's files cannot be listed. Must not know how the folder is walked.

use std::io;
use std::path::PathBuf;

use crate::format;
use crate::link::LinkError;
use crate::path::PathError;
use crate::text_file::TextFileError;

/// Why an app's files cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum AppFilesError {
    /// The system refused to read a folder or a link.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The folder or link.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// `.slugignore` cannot be read.
    #[error(transparent)]
    IgnoreFile(#[from] TextFileError),
    /// A file name that a slug cannot hold.
    #[error("`{name}` cannot be in a slug; rename it, or leave it out with .slugignore")]
    Name {
        /// The file.
        name: String,
        /// The rule that the name breaks.
        #[source]
        source: PathError,
    },
    /// A symbolic link whose target is outside of the app, or missing.
    #[error(
        "the symbolic link `{name}` -> `{target}` cannot be in a slug: put a copy in its place, or leave it out with .slugignore"
    )]
    Link {
        /// The link.
        name: String,
        /// The link's target, made safe to print.
        target: String,
        /// The rule that the target breaks.
        #[source]
        source: LinkError,
    },
    /// A pipe, a socket or a device.
    #[error(
        "`{name}` is {what}, but a slug holds only files and symbolic links: put a file in its place, or leave it out with .slugignore"
    )]
    NotAFile {
        /// The name.
        name: String,
        /// The kind of the file.
        what: &'static str,
    },
    /// An ignore pattern that cannot be parsed.
    #[error("{place}: `{pattern}` is not a gitignore pattern")]
    Pattern {
        /// The file or setting that holds the pattern.
        place: &'static str,
        /// The pattern as written.
        pattern: String,
        /// The parser's error.
        #[source]
        source: ignore::Error,
    },
    /// More files and folders than a slug holds.
    #[error(
        "there are more files and folders than the {} that a slug holds: leave some out with .slugignore",
        format::ENTRIES_MAX
    )]
    TooManyFiles,
}

//! Owns the reading of short text files that people write by hand.
//! Must not know what is in them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::manifest::text::decode_text;

/// Largest text file that is read (1 MiB): people write these files by hand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a text file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TextFileError {
    /// The system refused to open or read the file.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is not UTF-8 text, or is too large.
    #[error("{} is {problem}: save it as a short text in UTF-8", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
        /// The encoding or kind of the file, which is not text in UTF-8.
        problem: &'static str,
    },
}

/// Reads a text file of at most 1 MiB; `None` if there is no such file.
pub(crate) fn read_text(file: &Path) -> Result<Option<String>, TextFileError> {
    let failed = |source| TextFileError::Read {
        file: file.to_owned(),
        source,
    };
    let not_text = |problem| TextFileError::NotText {
        file: file.to_owned(),
        problem,
    };
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(not_text("over 1 MiB"));
    }
    decode_text(bytes).map(Some).map_err(not_text)
}

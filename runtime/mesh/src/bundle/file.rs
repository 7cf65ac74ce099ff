//! Bundles as files.
//!
//! Owns the mode and the size of the files. Must not know the content of a bundle.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::format::{BundleError, NodeBundle};

/// Maximum bytes of a bundle: the largest grid needs a tenth of it.
pub const BUNDLE_BYTES_MAX: u64 = 256 * 1024;
/// The mode of a bundle: its owner alone reads and writes it.
const MODE: u32 = 0o600;
/// The bits of a mode that let others than the owner in.
const OTHERS: u32 = 0o077;

/// A bundle could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleReadError {
    /// No such file.
    #[error("{path} does not exist: write bundles with `dyno grid init` or `dyno grid add`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not readable.
    #[error("{path} cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("{path} is open to other users (mode {mode:03o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode, without the file type.
        mode: u32,
    },
    /// The file is no regular file, or too long to be a bundle.
    #[error("{path} is no bundle: name a file that `dyno grid init` or `dyno grid add` wrote")]
    NoBundle {
        /// The file.
        path: PathBuf,
    },
    /// The content is not usable.
    #[error("{path} is not usable")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BundleError,
    },
}

/// A bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BundleWriteError {
    /// The file exists.
    #[error("{path} exists already: move it away, or write the bundles into another folder")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is not writable.
    #[error("{path} cannot be written")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads and checks a bundle. `now` is the time of this machine's clock.
pub fn read_bundle(path: &Path, now: SystemTime) -> Result<NodeBundle, BundleReadError> {
    let owned = || path.to_owned();
    let io_error = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => BundleReadError::Missing { path: owned() },
        _ => BundleReadError::Io {
            path: owned(),
            source,
        },
    };
    let file = File::open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() || metadata.len() > BUNDLE_BYTES_MAX {
        return Err(BundleReadError::NoBundle { path: owned() });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        let path = owned();
        return Err(BundleReadError::Exposed { path, mode });
    }
    let mut bytes = Vec::new();
    let mut limited = file.take(BUNDLE_BYTES_MAX);
    limited.read_to_end(&mut bytes).map_err(io_error)?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| BundleReadError::NoBundle { path: owned() })?;
    NodeBundle::from_text(&text, now).map_err(|source| BundleReadError::Content {
        path: owned(),
        source,
    })
}

/// Writes a bundle to a new file that only its owner can read, and waits until it is on disk.
pub fn write_bundle(path: &Path, bundle: &NodeBundle) -> Result<(), BundleWriteError> {
    let io_error = |source: io::Error| match source.kind() {
        ErrorKind::AlreadyExists => BundleWriteError::Exists {
            path: path.to_owned(),
        },
        _ => BundleWriteError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(MODE);
    let mut file = options.open(path).map_err(io_error)?;
    let written = file
        .write_all(bundle.to_text().as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|source| {
        // A part of a bundle is of no use, and would stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        io_error(source)
    })
}

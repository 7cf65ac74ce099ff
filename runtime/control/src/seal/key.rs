//! The key for sealing, and its file.
//!
//! Owns that only the owner may read the file, and that the file is complete or absent. Must not know what the key
//! seals.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Permissions of a new key file: read and write for its owner.
const MODE: u32 = 0o600;
/// Permission bits of all users but the owner.
const OTHERS: u32 = 0o077;

/// A key of 32 random bytes. `Debug` does not print it.
pub struct SealKey([u8; KEY_BYTES]);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(withheld)")
    }
}

/// The reason for which a key cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The file does not exist.
    #[error("there is no key file {}", .0.display())]
    Missing(PathBuf),
    /// Other users may read or write the file.
    #[error(
        "others than its owner may use the key file {path} (mode {mode:o}): chmod 600 it, and think of \
         who has read it",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// The file does not have the length of a key.
    #[error("the key file {} does not have {KEY_BYTES} bytes", .0.display())]
    Length(PathBuf),
    /// The file cannot be used.
    #[error("cannot use the key file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl SealKey {
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Loads the key from a file.
    pub fn load(path: &Path) -> Result<SealKey, SealKeyError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => SealKeyError::Missing(path.to_owned()),
            _ => SealKeyError::Io {
                path: path.to_owned(),
                source,
            },
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(SealKeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
        let at_most = KEY_BYTES as u64 + 1;
        file.take(at_most).read_to_end(&mut bytes).map_err(failed)?;
        let key = bytes.try_into();
        key.map(SealKey)
            .map_err(|_| SealKeyError::Length(path.to_owned()))
    }

    /// Loads the key from a file, and first creates the file with a new key if it does not exist.
    pub fn load_or_create(path: &Path) -> Result<SealKey, SealKeyError> {
        match SealKey::load(path) {
            Err(SealKeyError::Missing(_)) => {}
            known => return known,
        }
        create(path).map_err(|source| SealKeyError::Io {
            path: path.to_owned(),
            source,
        })?;
        SealKey::load(path)
    }
}

/// Writes the file beside its place and links it there when it is complete. A file that another process linked
/// first stays.
fn create(path: &Path) -> io::Result<()> {
    let bytes: [u8; KEY_BYTES] = crate::random::bytes();
    let chance = u64::from_be_bytes(crate::random::bytes());
    let beside = path.with_extension(format!("{chance:016x}.new"));
    let made = write(&beside, &bytes).and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&beside);
    made.and(removed)?;
    sync_folder(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Syncs the folder of a file, so that the file's name survives a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

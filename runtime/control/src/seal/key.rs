//! The key, and the file that it is in.
//!
//! Owns that nobody else may read the file, and that it is whole or not there. Must not know what the key
//! opens.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// The permissions of a new key file: its owner may read and write it.
const MODE: u32 = 0o600;
/// The permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// A key of 32 random bytes. Nothing prints it.
pub struct SealKey([u8; KEY_BYTES]);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(withheld)")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// There is no such file.
    #[error("there is no key file {}", .0.display())]
    Missing(PathBuf),
    /// Others may read it.
    #[error(
        "others than its owner may use the key file {path} (mode {mode:o}): chmod 600 it, and think of \
         who has read it",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not a key.
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

    /// The key in a file.
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

    /// The key in a file, which is made with a new key if it is not there.
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

/// Makes the file beside its place and links it there whole; a file that came first stays.
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

/// Has the name of a file survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

//! Response bytes on disk: files without a name, in one folder.
//!
//! Owns the folder, the files, and the blocking work on them. Must not know whose responses the files hold, in which
//! order, or how much disk all of them may take.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};

/// The folder for the files.
#[derive(Clone, Debug)]
pub struct SpillFolder {
    path: Arc<Path>,
    /// Number of the next file: no process uses a name twice.
    next_number: Arc<AtomicU64>,
}

impl SpillFolder {
    /// An existing folder.
    pub fn new(path: PathBuf) -> SpillFolder {
        SpillFolder {
            path: path.into(),
            next_number: Arc::default(),
        }
    }

    /// Creates a file and unlinks it, so that the system frees it when it is closed, however the process ends. Only a
    /// process that dies between the two calls leaves a file behind.
    fn create_unlinked_file(&self) -> io::Result<File> {
        let number = self.next_number.fetch_add(1, Relaxed);
        let name = format!("response-{}-{number}", std::process::id());
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600);
        let file = file.open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

/// Pieces that are to be written, on a thread that may block.
#[derive(Debug)]
pub(crate) struct SpillWrite {
    pub(crate) folder: SpillFolder,
    /// `None`: the file has to be created.
    pub(crate) file: Option<Arc<File>>,
    /// Position in the file (bytes). A write at 0 first empties the file.
    pub(crate) offset: u64,
    pub(crate) pieces: Vec<Bytes>,
    /// Bytes of all pieces.
    pub(crate) size: usize,
}

/// Result of a [`SpillWrite`]: the file and the bytes written, or the pieces if they could not be written.
pub(crate) type SpillWritten = Result<(Arc<File>, usize), Vec<Bytes>>;

impl SpillWrite {
    pub(crate) fn run(self) -> SpillWritten {
        self.write_pieces()
            .map(|file| (file, self.size))
            .map_err(|_| self.pieces)
    }

    fn write_pieces(&self) -> io::Result<Arc<File>> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => Arc::new(self.folder.create_unlinked_file()?),
        };
        if self.offset == 0 {
            file.set_len(0)?;
        }
        let mut position = self.offset;
        for piece in &self.pieces {
            file.write_all_at(piece, position)?;
            position += piece.len() as u64;
        }
        Ok(file)
    }
}

/// Bytes that are to be read back, on a thread that may block.
#[derive(Debug)]
pub(crate) struct SpillRead {
    pub(crate) file: Arc<File>,
    /// Position in the file (bytes).
    pub(crate) offset: u64,
    pub(crate) size: usize,
}

impl SpillRead {
    pub(crate) fn run(self) -> io::Result<Bytes> {
        let mut bytes = BytesMut::zeroed(self.size);
        self.file.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes.freeze())
    }
}

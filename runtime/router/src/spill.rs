//! Where responses wait for slow readers when memory has no room: files that have no name.
//!
//! Owns the folder, the files, and the blocking work on them. Must not know whose responses they hold, nor their order.

use crate::buffers::Buffers;
use bytes::{Bytes, BytesMut};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A folder for the files, and how much they take together.
#[derive(Clone, Debug)]
pub(crate) struct SpillFolder {
    path: Arc<Path>,
    /// Names are used once in a process.
    next: Arc<AtomicU64>,
    pub(crate) buffers: Arc<Buffers>,
}

impl SpillFolder {
    pub(crate) fn new(path: PathBuf) -> SpillFolder {
        SpillFolder {
            path: path.into(),
            next: Arc::default(),
            buffers: Buffers::on_disk().share(),
        }
    }

    /// A file that is gone when it is closed, however the process ends but in the moment between the two calls.
    fn create(&self) -> io::Result<File> {
        let number = self.next.fetch_add(1, Relaxed);
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
pub(crate) struct WriteJob {
    pub(crate) folder: SpillFolder,
    /// None: there is none yet.
    pub(crate) file: Option<Arc<File>>,
    /// From the start of the file (bytes). At the start, all before is forgotten.
    pub(crate) offset: u64,
    pub(crate) pieces: Vec<Bytes>,
    /// Bytes of all pieces.
    pub(crate) size: usize,
}

impl WriteJob {
    /// The file, or the pieces if they cannot be written.
    pub(crate) fn run(self) -> Result<(Arc<File>, usize), Vec<Bytes>> {
        self.write()
            .map(|file| (file, self.size))
            .map_err(|_| self.pieces)
    }

    fn write(&self) -> io::Result<Arc<File>> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => Arc::new(self.folder.create()?),
        };
        if self.offset == 0 {
            file.set_len(0)?;
        }
        let mut at = self.offset;
        for piece in &self.pieces {
            file.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        Ok(file)
    }
}

/// Bytes that are to be read back, on a thread that may block.
#[derive(Debug)]
pub(crate) struct ReadJob {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) size: usize,
}

impl ReadJob {
    pub(crate) fn run(self) -> io::Result<Bytes> {
        let mut bytes = BytesMut::zeroed(self.size);
        self.file.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes.freeze())
    }
}

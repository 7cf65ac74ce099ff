//! Paths of a guest, the real folders that they are relative to, and why a path or a change is refused.
//!
//! Must not know versions of WASI, nor quotas.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir as HostDir, Metadata, MetadataExt};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::Dir;

use crate::guest::filesystem::quota::UnlinkedFile;

/// One of the folders of a tree, by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FolderId(usize);

impl FolderId {
    /// The first folder: of a joined tree, the app's at `/`.
    pub(super) const ROOT: FolderId = FolderId(0);

    pub(super) fn new(index: usize) -> FolderId {
        FolderId(index)
    }

    /// The place in the list that the tree was made of.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    Follow,
    Keep,
}

/// Why a change, or the way to a file, is refused; as the errors of POSIX.
#[derive(Debug)]
pub(crate) enum FileRefusal {
    /// `EROFS`: the app's files.
    ReadOnly,
    /// `EXDEV`: from one of the guest's folders into another.
    CrossDevice,
    /// `EBUSY`: one of the guest's folders itself.
    Busy,
    /// `EEXIST`
    Exists,
    /// `EISDIR`
    IsFolder,
    /// `EPERM`: out of the sandbox.
    NotPermitted,
    /// `ELOOP`
    TooManyLinks,
    /// `EINVAL`
    Invalid,
    /// `ENOSPC`
    Full,
    /// What the host says.
    Io(io::Error),
}

impl From<io::Error> for FileRefusal {
    fn from(error: io::Error) -> FileRefusal {
        FileRefusal::Io(error)
    }
}

impl From<FileRefusal> for io::Error {
    fn from(refusal: FileRefusal) -> io::Error {
        io::Error::from(match refusal {
            FileRefusal::ReadOnly => Errno::ROFS,
            FileRefusal::CrossDevice => Errno::XDEV,
            FileRefusal::Busy => Errno::BUSY,
            FileRefusal::Exists => Errno::EXIST,
            FileRefusal::IsFolder => Errno::ISDIR,
            FileRefusal::NotPermitted => Errno::PERM,
            FileRefusal::TooManyLinks => Errno::LOOP,
            FileRefusal::Invalid => Errno::INVAL,
            FileRefusal::Full => Errno::NOSPC,
            FileRefusal::Io(error) => return error,
        })
    }
}

/// A path of a guest, and the real folder that it is relative to.
#[derive(Clone)]
pub(crate) struct ResolvedPath {
    pub(crate) dir: Arc<File>,
    pub(crate) path: String,
    /// It means one of the guest's folders itself.
    pub(crate) is: Option<FolderId>,
    pub(crate) is_read_only: bool,
}

impl ResolvedPath {
    /// A path in a directory that the guest has opened.
    pub(crate) fn within(dir: &Dir, path: String) -> ResolvedPath {
        ResolvedPath {
            dir: Arc::clone(&dir.dir),
            path,
            is: None,
            is_read_only: dir.perms.write_not_permitted(),
        }
    }

    pub(super) fn metadata(&self, last: LastLink) -> io::Result<Metadata> {
        let dir = host(&self.dir)?;
        match last {
            LastLink::Follow => dir.metadata(&self.path),
            LastLink::Keep => dir.symlink_metadata(&self.path),
        }
    }

    /// The regular file that would be gone with this name.
    pub(super) fn last_name(&self) -> Option<UnlinkedFile> {
        let meta = self.metadata(LastLink::Keep).ok()?;
        (meta.is_file() && meta.nlink() == 1).then(|| UnlinkedFile {
            inode: (meta.dev(), meta.ino()),
            bytes: meta.len(),
        })
    }

    /// Why no new name can be made here, in a read-only folder.
    pub(super) fn refuse_new_name(&self) -> FileRefusal {
        match self.metadata(LastLink::Keep) {
            Ok(_) => FileRefusal::Exists,
            Err(error) if error.kind() == ErrorKind::NotFound => self.refuse_in_parent(),
            Err(error) => error.into(),
        }
    }

    pub(super) fn refuse_in_parent(&self) -> FileRefusal {
        let parent = Path::new(&self.path).parent();
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
        let Some(parent) = parent else {
            return FileRefusal::ReadOnly;
        };
        match host(&self.dir).and_then(|dir| dir.metadata(parent)) {
            Ok(meta) if meta.is_dir() => FileRefusal::ReadOnly,
            Ok(_) => io::Error::from(Errno::NOTDIR).into(),
            Err(error) => error.into(),
        }
    }
}

/// A directory to look at; paths through it never leave it.
pub(crate) fn host(dir: &File) -> io::Result<HostDir> {
    dir.try_clone().map(HostDir::from_std_file)
}

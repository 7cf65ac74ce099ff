//! A guest's paths, the real folders that they are relative to, and the reasons to refuse a path or a change.
//!
//! Must not know WASI versions.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir as HostDir, Metadata, MetadataExt};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::Dir;

use crate::guest::filesystem::quota::UnlinkedFile;

/// A folder of a tree, by its index in the list of folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FolderId(usize);

impl FolderId {
    /// The first folder: the app's at `/`, if the folders form one tree.
    pub(super) const ROOT: FolderId = FolderId(0);

    pub(super) fn new(index: usize) -> FolderId {
        FolderId(index)
    }

    /// The index in the list of folders.
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

/// The reason to refuse a path or a change, as an error of POSIX.
#[derive(Debug)]
pub(crate) enum FileRefusal {
    /// `EROFS`: the app's files are read-only.
    ReadOnly,
    /// `EXDEV`: the change would go from one of the guest's folders into another.
    CrossDevice,
    /// `EBUSY`: the change would affect one of the guest's folders itself.
    Busy,
    /// `EEXIST`
    Exists,
    /// `EISDIR`
    IsFolder,
    /// `ENOTDIR`
    NotFolder,
    /// `EBADF`
    BadDescriptor,
    /// `EPERM`: the path leads out of the guest's folders.
    NotPermitted,
    /// `ELOOP`
    TooManyLinks,
    /// `EINVAL`
    Invalid,
    /// `ENOSPC`
    Full,
    /// An error of the host.
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
            FileRefusal::NotFolder => Errno::NOTDIR,
            FileRefusal::BadDescriptor => Errno::BADF,
            FileRefusal::NotPermitted => Errno::PERM,
            FileRefusal::TooManyLinks => Errno::LOOP,
            FileRefusal::Invalid => Errno::INVAL,
            FileRefusal::Full => Errno::NOSPC,
            FileRefusal::Io(error) => return error,
        })
    }
}

/// A guest's path, resolved: the real folder, and the path relative to that folder.
#[derive(Clone)]
pub(crate) struct ResolvedPath {
    pub(crate) dir: Arc<File>,
    pub(crate) path: String,
    /// The path leads to this folder of the tree itself.
    pub(crate) tree_folder: Option<FolderId>,
    pub(crate) is_read_only: bool,
}

impl ResolvedPath {
    /// A path in a directory that the guest has opened.
    pub(crate) fn in_folder(dir: &Dir, path: String) -> ResolvedPath {
        ResolvedPath {
            dir: Arc::clone(&dir.dir),
            path,
            tree_folder: None,
            is_read_only: dir.perms.write_not_permitted(),
        }
    }

    pub(super) fn metadata(&self, last: LastLink) -> io::Result<Metadata> {
        let dir = open_host_dir(&self.dir)?;
        match last {
            LastLink::Follow => dir.metadata(&self.path),
            LastLink::Keep => dir.symlink_metadata(&self.path),
        }
    }

    /// The regular file that is deleted when this name, its last, is removed.
    pub(super) fn unlinked_file(&self) -> Option<UnlinkedFile> {
        let meta = self.metadata(LastLink::Keep).ok()?;
        (meta.is_file() && meta.nlink() == 1).then(|| UnlinkedFile {
            inode: (meta.dev(), meta.ino()),
            bytes: meta.len(),
        })
    }

    /// The reason why no new name can be created here, in a read-only folder.
    pub(super) fn new_name_refusal(&self) -> FileRefusal {
        match self.metadata(LastLink::Keep) {
            Ok(_) => FileRefusal::Exists,
            Err(error) if error.kind() == ErrorKind::NotFound => self.parent_refusal(),
            Err(error) => error.into(),
        }
    }

    pub(super) fn parent_refusal(&self) -> FileRefusal {
        let parent = Path::new(&self.path).parent();
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
        let Some(parent) = parent else {
            return FileRefusal::ReadOnly;
        };
        match open_host_dir(&self.dir).and_then(|dir| dir.metadata(parent)) {
            Ok(meta) if meta.is_dir() => FileRefusal::ReadOnly,
            Ok(_) => io::Error::from(Errno::NOTDIR).into(),
            Err(error) => error.into(),
        }
    }
}

/// Opens a directory for the host to look into. Paths in it cannot lead out of the directory.
pub(crate) fn open_host_dir(dir: &File) -> io::Result<HostDir> {
    dir.try_clone().map(HostDir::from_std_file)
}

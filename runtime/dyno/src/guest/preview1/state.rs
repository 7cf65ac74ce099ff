//! What a core module of preview 1 has open, and what the host looks at before it passes a call on.
//!
//! wasmtime-wasi keeps a module's descriptors to itself, so this stands around it: it knows the files that are open by
//! the number of their descriptor (the folders are in `p1_folders`). The calls themselves are in `p1`.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Weak};

use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{self, Errno, Error, Lookupflags};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::{GuestMemory, GuestPtr};

use crate::guest::filesystem::changes::{self as changes, SizeChange};
use crate::guest::filesystem::paths::{FileRefusal, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::DiskQuota;
use crate::guest::filesystem::tree::FileTree;
use crate::guest::limits::bounds::RESOURCES_MAX;
use crate::guest::preview1::folders::{OpenFolders, read_path};

/// Buffers that one write may name: as many as POSIX asks of `writev`.
const BUFFERS_MAX: u32 = 1_024;

/// What a core module works on.
pub(crate) struct Preview1 {
    pub(super) wasi: WasiP1Ctx,
    pub(super) tree: Arc<FileTree>,
    pub(super) quota: Arc<DiskQuota>,
    /// Files by descriptor.
    pub(super) files: HashMap<u32, OpenFile>,
    pub(super) folders: OpenFolders,
}

/// A file that a module has open.
pub(super) struct OpenFile {
    /// Held by wasmtime-wasi as long as the descriptor is open.
    pub(super) file: Weak<File>,
    pub(super) append: bool,
    /// One of the app's.
    pub(super) is_read_only: bool,
}

impl From<FileRefusal> for Error {
    fn from(refusal: FileRefusal) -> Error {
        wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode::from(refusal).into()
    }
}

impl Preview1 {
    /// `wasi` has the folders of the tree, in their order.
    pub(crate) fn new(mut wasi: WasiP1Ctx, tree: Arc<FileTree>, quota: Arc<DiskQuota>) -> Preview1 {
        wasi.ctx().table.set_max_capacity(RESOURCES_MAX);
        let folders = OpenFolders::new(&mut wasi, &tree);
        Preview1 {
            wasi,
            tree,
            quota,
            files: HashMap::new(),
            folders,
        }
    }

    /// A file that may be changed, and whether writes go to its end.
    pub(super) fn file(&self, fd: types::Fd) -> Option<(Arc<File>, bool)> {
        let opened = self
            .files
            .get(&u32::from(fd))
            .filter(|file| !file.is_read_only)?;
        Some((opened.file.upgrade()?, opened.append))
    }

    /// The file that was opened last: no other has never been shown to the quota.
    pub(super) fn newest(&mut self) -> Option<Arc<File>> {
        let files = self.wasi.ctx().table.iter_mut();
        let mut files = files.filter_map(|entry| match entry.downcast_ref() {
            Some(Descriptor::File(file)) => Some(&file.file),
            _ => None,
        });
        files.find(|file| Arc::weak_count(file) == 0).cloned()
    }

    /// Follows a path of the guest's; gives the descriptor for the engine to begin at, and the path from there.
    pub(super) fn find(
        &self,
        memory: &GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
        last: LastLink,
    ) -> Result<(types::Fd, ResolvedPath), Error> {
        let path = read_path(memory, path)?;
        self.folders.find(&self.tree, dir, path, last)
    }

    /// Pays for a write of these buffers at `at` (or where the descriptor stands), if it goes to a file.
    pub(super) fn charge(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
        at: Option<u64>,
    ) -> Result<Option<SizeChange>, Error> {
        if buffers.len() > BUFFERS_MAX {
            return Err(Errno::Inval.into());
        }
        let Some((file, append)) = self.file(fd) else {
            return Ok(None);
        };
        // The engine writes the first that is not empty, and says how much that was.
        let mut bytes = 0;
        for buffer in buffers.iter() {
            bytes = memory.read(buffer?)?.buf_len;
            if bytes > 0 {
                break;
            }
        }
        let start = match at {
            _ if append => None,
            Some(at) => Some(at),
            None => Some(self.wasi.fd_tell(memory, fd)?),
        };
        Ok(Some(changes::begin_write(
            &self.quota,
            &file,
            start,
            bytes.into(),
        )?))
    }

    /// Refuses to change what a descriptor is open on among the app's files.
    pub(super) fn check_writable(&self, fd: types::Fd) -> Result<(), Error> {
        let file = self.files.get(&u32::from(fd));
        if file.is_some_and(|file| file.is_read_only) || self.folders.is_read_only(fd) {
            return Err(Errno::Rofs.into());
        }
        Ok(())
    }
}

/// Whether a path's last part is followed when it is a symbolic link.
pub(super) fn last(flags: Lookupflags) -> LastLink {
    if flags.contains(Lookupflags::SYMLINK_FOLLOW) {
        LastLink::Follow
    } else {
        LastLink::Keep
    }
}

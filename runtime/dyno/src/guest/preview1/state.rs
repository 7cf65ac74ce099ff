//! The WASI state of a core module: wasmtime-wasi's context, and what the host has to know about open files.
//!
//! wasmtime-wasi does not show its descriptors, so open files are recorded here by the number of their descriptor.
//! Folders are in `folders`, the functions in `host`.

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
use crate::guest::limits::handles::RESOURCES_MAX;
use crate::guest::network::port::ServerPort;
use crate::guest::preview1::folders::{OpenFolders, read_path};
use crate::guest::preview1::network::ModuleNetwork;
use crate::guest::preview1::sockets::ModuleSockets;

/// The most buffers of one write: the number that POSIX requires for `writev`.
const BUFFERS_MAX: u32 = 1_024;

/// The WASI state of a core module.
pub(crate) struct Preview1 {
    pub(super) wasi: WasiP1Ctx,
    pub(super) tree: Arc<FileTree>,
    pub(super) quota: Arc<DiskQuota>,
    /// Open files by descriptor.
    pub(super) files: HashMap<u32, OpenFile>,
    pub(super) folders: OpenFolders,
    pub(super) sockets: ModuleSockets,
}

/// A file that a module has open.
pub(super) struct OpenFile {
    /// wasmtime-wasi holds the strong reference as long as the descriptor is open.
    pub(super) file: Weak<File>,
    pub(super) append: bool,
    /// The file is one of the app's.
    pub(super) is_read_only: bool,
}

impl From<FileRefusal> for Error {
    fn from(refusal: FileRefusal) -> Error {
        wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode::from(refusal).into()
    }
}

impl Preview1 {
    /// `wasi` must have been given the folders of the tree, in the tree's order.
    /// A module with a `port` can accept connections to it.
    pub(crate) fn new(
        mut wasi: WasiP1Ctx,
        tree: Arc<FileTree>,
        quota: Arc<DiskQuota>,
        port: Option<&Arc<ServerPort>>,
        network: ModuleNetwork,
    ) -> Preview1 {
        wasi.ctx().table.set_max_capacity(RESOURCES_MAX);
        let folders = OpenFolders::new(&mut wasi, &tree);
        Preview1 {
            wasi,
            tree,
            quota,
            files: HashMap::new(),
            folders,
            sockets: ModuleSockets::new(port, network),
        }
    }

    /// An open file that may be changed, and whether writes append to it.
    pub(super) fn writable_file(&self, fd: types::Fd) -> Option<(Arc<File>, bool)> {
        let opened = self
            .files
            .get(&u32::from(fd))
            .filter(|file| !file.is_read_only)?;
        Some((opened.file.upgrade()?, opened.append))
    }

    /// The file that the engine opened last: the only one to which no weak reference exists, since the quota holds
    /// one of each other.
    pub(super) fn newest_file(&mut self) -> Option<Arc<File>> {
        let files = self.wasi.ctx().table.iter_mut();
        let mut files = files.filter_map(|entry| match entry.downcast_ref() {
            Some(Descriptor::File(file)) => Some(&file.file),
            _ => None,
        });
        files.find(|file| Arc::weak_count(file) == 0).cloned()
    }

    /// Resolves a path of the guest. Returns the descriptor from which the engine is to open it, and the path from
    /// there.
    pub(super) fn resolve(
        &self,
        memory: &GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
        last: LastLink,
    ) -> Result<(types::Fd, ResolvedPath), Error> {
        let path = read_path(memory, path)?;
        self.folders.resolve(&self.tree, dir, path, last)
    }

    /// Charges a write of these buffers at `at`, or at the descriptor's position, if the descriptor is a file.
    pub(super) fn charge_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
        at: Option<u64>,
    ) -> Result<Option<SizeChange>, Error> {
        check_buffer_count(buffers.len())?;
        let Some((file, append)) = self.writable_file(fd) else {
            return Ok(None);
        };
        // The engine writes only the first buffer that is not empty, and reports its length.
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

    /// Reads from a socket into the first buffer that is not empty, as the engine reads files.
    pub(super) fn read_socket(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::IovecArray,
    ) -> Result<types::Size, Error> {
        check_buffer_count(buffers.len())?;
        for place in buffers.iter() {
            let buffer = memory.read(place?)?;
            if buffer.buf_len > 0 {
                let to = memory.as_slice_mut(buffer.buf.as_array(buffer.buf_len))?;
                let len = self.sockets.read(fd, to.ok_or(Errno::Notsup)?)?;
                // At most the length of the buffer.
                return Ok(len as types::Size);
            }
        }
        Ok(self.sockets.read(fd, &mut [])? as types::Size)
    }

    /// Writes the first buffer that is not empty to a socket, or a part of it.
    pub(super) fn write_socket(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
    ) -> Result<types::Size, Error> {
        check_buffer_count(buffers.len())?;
        for place in buffers.iter() {
            let buffer = memory.read(place?)?;
            if buffer.buf_len > 0 {
                let bytes = memory.as_slice(buffer.buf.as_array(buffer.buf_len))?;
                let len = self.sockets.write(fd, bytes.ok_or(Errno::Notsup)?)?;
                // At most the length of the buffer.
                return Ok(len as types::Size);
            }
        }
        // Without bytes, a write tells whether the connection was opened.
        Ok(self.sockets.write(fd, &[])? as types::Size)
    }

    /// Refuses to change one of the app's files or folders.
    pub(super) fn check_writable(&self, fd: types::Fd) -> Result<(), Error> {
        let file = self.files.get(&u32::from(fd));
        if file.is_some_and(|file| file.is_read_only) || self.folders.is_read_only(fd) {
            return Err(Errno::Rofs.into());
        }
        Ok(())
    }
}

fn check_buffer_count(count: u32) -> Result<(), Error> {
    match count > BUFFERS_MAX {
        true => Err(Errno::Inval.into()),
        false => Ok(()),
    }
}

/// Whether a symbolic link at the end of the path is followed.
pub(super) fn last_link(flags: Lookupflags) -> LastLink {
    if flags.contains(Lookupflags::SYMLINK_FOLLOW) {
        LastLink::Follow
    } else {
        LastLink::Keep
    }
}

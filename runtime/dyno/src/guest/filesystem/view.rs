//! The store data behind the filesystem interfaces of WASI 0.2 and 0.3, and the steps that both versions share.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use wasmtime::component::{HasData, Resource, ResourceTableError};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystemCtxView};

use crate::guest::filesystem::changes;
use crate::guest::filesystem::folders::DynoFolders;
use crate::guest::filesystem::paths::{FileRefusal, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::DiskQuota;

/// The most bytes that a file stream takes in one write; as many as wasmtime-wasi's own.
pub(super) const WRITE_BYTES_MAX: usize = 64 * 1024;

/// A handle of a file or folder.
pub(super) type Fd = Resource<Descriptor>;

/// Tells the engine which store data the filesystem interfaces use.
pub(crate) struct GuestFilesystem;

impl HasData for GuestFilesystem {
    type Data<'a> = FilesystemView<'a>;
}

/// The store data of the filesystem interfaces.
pub(crate) struct FilesystemView<'a> {
    pub(crate) files: &'a mut DynoFolders,
    pub(crate) wasi: WasiFilesystemCtxView<'a>,
}

impl FilesystemView<'_> {
    pub(super) fn quota(&self) -> &Arc<DiskQuota> {
        &self.files.quota
    }

    /// The file behind a handle.
    pub(super) fn file<E>(&self, fd: &Fd) -> Result<File, E>
    where
        E: From<ResourceTableError> + From<FileRefusal>,
    {
        match self.wasi.table.get(fd)? {
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(FileRefusal::BadDescriptor.into()),
        }
    }

    /// Refuses to change a file or folder whose handle is read-only.
    pub(super) fn check_writable<E>(&self, fd: &Fd) -> Result<(), E>
    where
        E: From<ResourceTableError> + From<FileRefusal>,
    {
        let perms = match self.wasi.table.get(fd)? {
            Descriptor::File(File { perms, .. }) | Descriptor::Dir(Dir { perms, .. }) => *perms,
        };
        match perms.write_not_permitted() {
            true => Err(FileRefusal::ReadOnly.into()),
            false => Ok(()),
        }
    }

    /// Resolves a path. Returns the handle from which the engine is to open it, and the path from there.
    pub(super) fn resolve<E>(
        &self,
        fd: &Fd,
        path: String,
        last: impl Into<LastLink>,
    ) -> Result<(Fd, ResolvedPath), E>
    where
        E: From<ResourceTableError> + From<FileRefusal>,
    {
        let Descriptor::Dir(dir) = self.wasi.table.get(fd)? else {
            return Err(FileRefusal::NotFolder.into());
        };
        let (folder, resolved) = self.files.resolve(dir, path, last.into())?;
        let fd = folder.map_or_else(
            || Resource::new_borrow(fd.rep()),
            |id| self.files.base_handle(id),
        );
        Ok((fd, resolved))
    }
}

/// Writes `bytes` at the offset `at`, or appends them, and charges them to `quota`.
pub(crate) fn write_charged(
    file: &Arc<std::fs::File>,
    at: Option<u64>,
    bytes: &[u8],
    quota: &Arc<DiskQuota>,
) -> Result<(), FileRefusal> {
    let growth = changes::begin_write(quota, file, at, bytes.len() as u64)?;
    Ok(file.write_all_at(bytes, growth.offset())?)
}

//! `wasi:filesystem` 0.2: wasmtime-wasi's implementation, behind the tree, the rules and the quota of this room.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wasmtime_wasi::p2::{
    FsError, FsResult, OutputStream, Pollable, ReaddirIterator, StreamError, StreamResult,
};

use crate::guest::filesystem::changes::{self as changes, OpenRequest};
use crate::guest::filesystem::paths::{FileRefusal, LastLink};
use crate::guest::filesystem::quota::DiskQuota;
use crate::guest::filesystem::view::{Fd, FilesystemView, WRITE_BYTES_MAX, write_charged};
use types::{ErrorCode, HostDescriptor as Inner};

impl From<FileRefusal> for FsError {
    fn from(refusal: FileRefusal) -> FsError {
        ErrorCode::from(refusal).into()
    }
}

impl FilesystemView<'_> {
    fn push_writer(&mut self, fd: &Fd, at: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file::<FsError>(fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let writer: DynOutputStream = Box::new(ChargedFileWriter {
            file: file.file,
            at,
            quota: Arc::clone(self.quota()),
            failed: false,
        });
        Ok(self.wasi.table.push(writer)?)
    }
}

impl preopens::Host for FilesystemView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.files.push_preopens(self.wasi.table)
    }
}

impl types::Host for FilesystemView<'_> {
    fn convert_error_code(&mut self, err: FsError) -> wasmtime::Result<ErrorCode> {
        err.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        err: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.wasi, err)
    }
}

impl types::HostDirectoryEntryStream for FilesystemView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<ReaddirIterator>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        if let Some(listing) = self.files.listing_mut(stream.rep()) {
            return Ok(listing.next().map(types::DirectoryEntry::from));
        }
        types::HostDirectoryEntryStream::read_directory_entry(&mut self.wasi, stream).await
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        self.files.end_listing(stream.rep());
        types::HostDirectoryEntryStream::drop(&mut self.wasi, stream)
    }
}

/// Functions of an open handle that change nothing: passed on to the engine.
macro_rules! passed_on {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(async fn $name(&mut self, fd: Fd $(, $arg: $ty)*) -> $out {
            Inner::$name(&mut self.wasi, fd $(, $arg)*).await
        })*
    };
}

/// Functions of a path that change nothing: passed on to the engine with the resolved path.
macro_rules! passed_on_in_tree {
    ($($name:ident($($flags:ident)?) -> $out:ty;)*) => {
        $(async fn $name(
            &mut self,
            fd: Fd,
            $($flags: types::PathFlags,)?
            path: String,
        ) -> FsResult<$out> {
            #[allow(unused_variables)]
            let follow = LastLink::Keep;
            $(let follow = LastLink::from($flags);)?
            let (fd, at) = self.resolve::<FsError>(&fd, path, follow)?;
            Inner::$name(&mut self.wasi, fd, $($flags,)? at.path).await
        })*
    };
}

impl types::HostDescriptor for FilesystemView<'_> {
    passed_on! {
        advise(offset: u64, len: u64, advice: types::Advice) -> FsResult<()>;
        get_flags() -> FsResult<types::DescriptorFlags>;
        get_type() -> FsResult<types::DescriptorType>;
        read(len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)>;
        stat() -> FsResult<types::DescriptorStat>;
        is_same_object(other: Fd) -> wasmtime::Result<bool>;
        metadata_hash() -> FsResult<types::MetadataHashValue>;
    }

    passed_on_in_tree! {
        stat_at(flags) -> types::DescriptorStat;
        readlink_at() -> String;
        metadata_hash_at(flags) -> types::MetadataHashValue;
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FsResult<()> {
        self.check_writable::<FsError>(&fd)?;
        Inner::set_times(&mut self.wasi, fd, atim, mtim).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FsResult<()> {
        let (fd, at) = self.resolve::<FsError>(&fd, path, flags)?;
        changes::begin_set_times(&at, flags.into())?;
        Inner::set_times_at(&mut self.wasi, fd, flags, at.path, atim, mtim).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<ReaddirIterator>> {
        let entries = match self.wasi.table.get(&fd)? {
            Descriptor::Dir(dir) => self.files.list_root(dir).transpose()?,
            Descriptor::File(_) => None,
        };
        let listing = Inner::read_directory(&mut self.wasi, fd).await?;
        if let Some(entries) = entries {
            self.files.begin_listing(listing.rep(), entries);
        }
        Ok(listing)
    }

    /// Does nothing: these folders end with the dyno, so their files need not survive a power cut, and no guest can
    /// make the host wait for a disk.
    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.wasi.table.get(&fd)?;
        Ok(())
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.wasi.table.get(&fd)?;
        Ok(())
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        Inner::drop(&mut self.wasi, fd)
    }

    fn read_via_stream(&mut self, fd: Fd, offset: u64) -> FsResult<Resource<DynInputStream>> {
        Inner::read_via_stream(&mut self.wasi, fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: u64) -> FsResult<Resource<DynOutputStream>> {
        self.push_writer(&fd, Some(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.push_writer(&fd, None)
    }

    async fn write(&mut self, fd: Fd, buf: Vec<u8>, offset: u64) -> FsResult<u64> {
        let file = self.file::<FsError>(&fd)?;
        if file.perms.write_not_permitted() {
            return Inner::write(&mut self.wasi, fd, buf, offset).await;
        }
        let bytes = buf.len() as u64;
        let _growth = changes::begin_write(self.quota(), &file.file, Some(offset), bytes)?;
        Inner::write(&mut self.wasi, fd, buf, offset).await
    }

    async fn set_size(&mut self, fd: Fd, size: u64) -> FsResult<()> {
        let file = self.file::<FsError>(&fd)?.file;
        self.check_writable::<FsError>(&fd)?;
        let _sizing = changes::begin_set_size(self.quota(), &file, size)?;
        Inner::set_size(&mut self.wasi, fd, size).await
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        oflags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let (fd, at) = self.resolve::<FsError>(&fd, path, path_flags)?;
        let request = OpenRequest::from((path_flags, oflags, flags));
        let opening = changes::begin_open(self.quota(), &at, request)?;
        let opened = Inner::open_at(&mut self.wasi, fd, path_flags, at.path, oflags, flags).await?;
        let descriptor = self.wasi.table.get_mut(&opened)?;
        self.files.mark_opened_folder(descriptor, at.tree_folder);
        match descriptor {
            Descriptor::File(file) => opening.finish(Some(&file.file)),
            Descriptor::Dir(_) => opening.finish(None),
        }
        Ok(opened)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, at) = self.resolve::<FsError>(&fd, path, LastLink::Keep)?;
        let name = changes::begin_create(self.quota(), &at)?;
        Inner::create_directory_at(&mut self.wasi, fd, at.path).await?;
        name.keep();
        Ok(())
    }

    async fn symlink_at(&mut self, fd: Fd, old: String, new: String) -> FsResult<()> {
        let (fd, at) = self.resolve::<FsError>(&fd, new, LastLink::Keep)?;
        let name = changes::begin_create(self.quota(), &at)?;
        self.files.expect_links();
        Inner::symlink_at(&mut self.wasi, fd, old, at.path).await?;
        name.keep();
        Ok(())
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FsResult<()> {
        let (fd, from) = self.resolve::<FsError>(&fd, old, flags)?;
        let (new_fd, to) = self.resolve::<FsError>(&new_fd, new, LastLink::Keep)?;
        let name = changes::begin_link(self.quota(), &from, &to)?;
        Inner::link_at(&mut self.wasi, fd, flags, from.path, new_fd, to.path).await?;
        name.keep();
        Ok(())
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, at) = self.resolve::<FsError>(&fd, path, LastLink::Keep)?;
        let removal = changes::begin_remove_folder(self.quota(), &at)?;
        Inner::remove_directory_at(&mut self.wasi, fd, at.path).await?;
        removal.finish();
        Ok(())
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (fd, at) = self.resolve::<FsError>(&fd, path, LastLink::Keep)?;
        let removal = changes::begin_unlink(self.quota(), &at)?;
        Inner::unlink_file_at(&mut self.wasi, fd, at.path).await?;
        removal.finish();
        Ok(())
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        let (fd, from) = self.resolve::<FsError>(&fd, old, LastLink::Keep)?;
        let (new_fd, to) = self.resolve::<FsError>(&new_fd, new, LastLink::Keep)?;
        let removal = changes::begin_rename(self.quota(), &from, &to)?;
        Inner::rename_at(&mut self.wasi, fd, from.path, new_fd, to.path).await?;
        removal.finish();
        Ok(())
    }
}

/// Writes into a file, charged to the quota. A write never waits, so it needs no background task.
struct ChargedFileWriter {
    file: Arc<std::fs::File>,
    /// The offset of the next byte. `None` appends.
    at: Option<u64>,
    quota: Arc<DiskQuota>,
    failed: bool,
}

impl OutputStream for ChargedFileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.failed {
            return Err(StreamError::Closed);
        }
        if let Err(e) = write_charged(&self.file, self.at, &bytes, &self.quota) {
            self.failed = true;
            let error = std::io::Error::from(e);
            return Err(StreamError::LastOperationFailed(error.into()));
        }
        if let Some(at) = &mut self.at {
            *at += bytes.len() as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.failed {
            return Err(StreamError::Closed);
        }
        Ok(WRITE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for ChargedFileWriter {
    async fn ready(&mut self) {}
}

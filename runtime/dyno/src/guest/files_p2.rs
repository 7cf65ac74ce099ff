//! `wasi:filesystem` 0.2 for a dyno: wasmtime-wasi's own, with the quota in front of whatever grows
//! or creates something. Everything that only reads is passed on as it is.

use std::fs::Metadata;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wasmtime_wasi::p2::{
    FsError, FsResult, OutputStream, Pollable, ReaddirIterator, StreamError, StreamResult,
};

use super::files::Files;
use super::quota::{Full, Quota};
use types::{ErrorCode, HostDescriptor as Inner};

/// Bytes that a file stream takes in one write; as much as wasmtime-wasi's own.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Names the guest data behind the filesystem interfaces.
pub(crate) struct DynoFiles;

impl HasData for DynoFiles {
    type Data<'a> = FilesView<'a>;
}

/// The store data that the filesystem interfaces work on.
pub(crate) struct FilesView<'a> {
    pub(crate) files: &'a mut Files,
    pub(crate) wasi: WasiFilesystemCtxView<'a>,
}

impl From<Full> for FsError {
    fn from(_: Full) -> FsError {
        ErrorCode::InsufficientSpace.into()
    }
}

type Fd = Resource<Descriptor>;

impl FilesView<'_> {
    fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.files.quota)
    }

    fn file(&self, fd: &Fd) -> FsResult<File> {
        match self.wasi.table.get(fd)? {
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// Whether what is under `fd` may be changed, and so counts against the quota.
    fn writable(&self, fd: &Fd) -> FsResult<bool> {
        let perms = match self.wasi.table.get(fd)? {
            Descriptor::File(File { perms, .. }) | Descriptor::Dir(Dir { perms, .. }) => *perms,
        };
        Ok(!perms.write_not_permitted())
    }

    /// The regular file that `path` names and that would be gone with this name.
    async fn last_name(&mut self, fd: &Fd, path: &str) -> Option<Metadata> {
        let nofollow = types::PathFlags::empty();
        let stat = Inner::stat_at(&mut self.wasi, borrow(fd), nofollow, path.to_owned()).await;
        let stat = stat.ok()?;
        if stat.type_ != types::DescriptorType::RegularFile || stat.link_count != 1 {
            return None;
        }
        let (flags, none) = (types::DescriptorFlags::READ, types::OpenFlags::empty());
        let opened = Inner::open_at(
            &mut self.wasi,
            borrow(fd),
            nofollow,
            path.to_owned(),
            none,
            flags,
        );
        let opened = opened.await.ok()?;
        let meta = match self.wasi.table.delete(opened).ok()? {
            Descriptor::File(file) => file.file.metadata().ok(),
            Descriptor::Dir(_) => None,
        };
        meta.filter(|meta| meta.nlink() == 1)
    }

    async fn exists(&mut self, fd: &Fd, path: &str) -> bool {
        let nofollow = types::PathFlags::empty();
        let stat = Inner::stat_at(&mut self.wasi, borrow(fd), nofollow, path.to_owned());
        stat.await.is_ok()
    }

    /// Charges one name for the time of `made`, and takes it back if that failed.
    fn settle<T>(&self, made: FsResult<T>) -> FsResult<T> {
        if made.is_err() {
            self.files.quota.uncreate();
        }
        made
    }

    fn push_writer(&mut self, fd: &Fd, at: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let writer: DynOutputStream = Box::new(FileWriter {
            file: file.file,
            at,
            quota: self.quota(),
            failed: false,
        });
        Ok(self.wasi.table.push(writer)?)
    }
}

fn borrow(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.files.preopens(self.wasi.table)
    }
}

impl types::Host for FilesView<'_> {
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

impl types::HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<ReaddirIterator>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        types::HostDirectoryEntryStream::read_directory_entry(&mut self.wasi, stream).await
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        types::HostDirectoryEntryStream::drop(&mut self.wasi, stream)
    }
}

/// Functions that change nothing: passed on.
macro_rules! passed_on {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(async fn $name(&mut self, fd: Fd $(, $arg: $ty)*) -> $out {
            Inner::$name(&mut self.wasi, fd $(, $arg)*).await
        })*
    };
}

impl types::HostDescriptor for FilesView<'_> {
    passed_on! {
        advise(offset: u64, len: u64, advice: types::Advice) -> FsResult<()>;
        get_flags() -> FsResult<types::DescriptorFlags>;
        get_type() -> FsResult<types::DescriptorType>;
        set_times(atim: types::NewTimestamp, mtim: types::NewTimestamp) -> FsResult<()>;
        read(len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)>;
        read_directory() -> FsResult<Resource<ReaddirIterator>>;
        stat() -> FsResult<types::DescriptorStat>;
        stat_at(flags: types::PathFlags, path: String) -> FsResult<types::DescriptorStat>;
        set_times_at(
            flags: types::PathFlags,
            path: String,
            atim: types::NewTimestamp,
            mtim: types::NewTimestamp
        ) -> FsResult<()>;
        readlink_at(path: String) -> FsResult<String>;
        is_same_object(other: Fd) -> wasmtime::Result<bool>;
        metadata_hash() -> FsResult<types::MetadataHashValue>;
        metadata_hash_at(
            flags: types::PathFlags,
            path: String
        ) -> FsResult<types::MetadataHashValue>;
    }

    /// Nothing to do: what is in these folders ends with the dyno, so it need not survive a power
    /// cut, and no guest can make the host wait for a disk.
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
        if self.writable(&fd)? {
            let file = self.file(&fd)?;
            let end = offset.saturating_add(buf.len() as u64);
            self.files.quota.grow(&file.file, end)?;
        }
        Inner::write(&mut self.wasi, fd, buf, offset).await
    }

    async fn set_size(&mut self, fd: Fd, size: u64) -> FsResult<()> {
        if !self.writable(&fd)? {
            return Inner::set_size(&mut self.wasi, fd, size).await;
        }
        let file = self.file(&fd)?.file;
        let before = file.metadata().map_err(|_| ErrorCode::Io)?.len();
        self.files.quota.grow(&file, size)?;
        Inner::set_size(&mut self.wasi, fd, size).await?;
        self.files.quota.shrank(&file, before);
        Ok(())
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        oflags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        if !self.writable(&fd)? {
            // The engine lets this pass, and gives a descriptor that cannot do it.
            if flags.contains(types::DescriptorFlags::MUTATE_DIRECTORY) {
                return Err(ErrorCode::ReadOnly.into());
            }
            return Inner::open_at(&mut self.wasi, fd, path_flags, path, oflags, flags).await;
        }
        let stat = Inner::stat_at(&mut self.wasi, borrow(&fd), path_flags, path.clone()).await;
        let truncate = oflags.contains(types::OpenFlags::TRUNCATE);
        let before = stat.as_ref().ok().filter(|_| truncate).map(|s| s.size);
        let creates = oflags.contains(types::OpenFlags::CREATE) && stat.is_err();
        if creates {
            self.files.quota.create()?;
        }
        let opened = Inner::open_at(&mut self.wasi, fd, path_flags, path, oflags, flags).await;
        let opened = if creates {
            self.settle(opened)?
        } else {
            opened?
        };
        if let Descriptor::File(file) = self.wasi.table.get(&opened)? {
            self.files.quota.opened(&file.file);
            if let Some(before) = before {
                self.files.quota.shrank(&file.file, before);
            }
        }
        Ok(opened)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.writable(&fd)?
            .then(|| self.files.quota.create())
            .transpose()?;
        let made = Inner::create_directory_at(&mut self.wasi, fd, path).await;
        self.settle(made)
    }

    async fn symlink_at(&mut self, fd: Fd, old: String, new: String) -> FsResult<()> {
        self.writable(&fd)?
            .then(|| self.files.quota.create())
            .transpose()?;
        let made = Inner::symlink_at(&mut self.wasi, fd, old, new).await;
        self.settle(made)
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FsResult<()> {
        self.writable(&new_fd)?
            .then(|| self.files.quota.create())
            .transpose()?;
        let made = Inner::link_at(&mut self.wasi, fd, flags, old, new_fd, new).await;
        self.settle(made)
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        Inner::remove_directory_at(&mut self.wasi, fd, path).await?;
        self.files.quota.uncreate();
        Ok(())
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let last = if self.writable(&fd)? {
            self.last_name(&fd, &path).await
        } else {
            None
        };
        Inner::unlink_file_at(&mut self.wasi, fd, path).await?;
        match last {
            Some(meta) => self.files.quota.unlinked(&meta),
            None => self.files.quota.uncreate(),
        }
        Ok(())
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        let replaces = self.writable(&new_fd)? && self.exists(&new_fd, &new).await;
        let last = if replaces {
            self.last_name(&new_fd, &new).await
        } else {
            None
        };
        let source = if replaces {
            self.last_name(&fd, &old).await
        } else {
            None
        };
        Inner::rename_at(&mut self.wasi, fd, old, new_fd, new).await?;
        let same = matches!((&last, &source), (Some(a), Some(b)) if a.ino() == b.ino());
        match last {
            Some(meta) if !same => self.files.quota.unlinked(&meta),
            None if replaces => self.files.quota.uncreate(),
            _ => {}
        }
        Ok(())
    }
}

/// Writes into a file in place, after asking the quota; never waits, so never in the background.
struct FileWriter {
    file: Arc<std::fs::File>,
    /// The next byte's offset; `None` appends.
    at: Option<u64>,
    quota: Arc<Quota>,
    failed: bool,
}

/// Writes `bytes` at `at` (or appends), charged to `quota`.
pub(crate) fn write_charged(
    file: &std::fs::File,
    at: Option<u64>,
    bytes: &[u8],
    quota: &Quota,
) -> std::io::Result<()> {
    let start = match at {
        Some(at) => at,
        None => file.metadata()?.len(),
    };
    quota.grow(file, start.saturating_add(bytes.len() as u64))?;
    file.write_all_at(bytes, start)
}

impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.failed {
            return Err(StreamError::Closed);
        }
        if let Err(e) = write_charged(&self.file, self.at, &bytes, &self.quota) {
            self.failed = true;
            return Err(StreamError::LastOperationFailed(e.into()));
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
impl Pollable for FileWriter {
    async fn ready(&mut self) {}
}

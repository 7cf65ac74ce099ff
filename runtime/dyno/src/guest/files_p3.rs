//! `wasi:filesystem` 0.3 for a dyno: wasmtime-wasi's own behind the same quota as for 0.2.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, FutureReader, Linker, Resource, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use super::Guest;
use super::files_p2::{DynoFiles, FilesView, write_charged};
use super::quota::{Full, Quota};
use types::{ErrorCode, HostDescriptorWithStore as Inner};

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, DynoFiles>(linker, Guest::files)?;
    preopens::add_to_linker::<_, DynoFiles>(linker, Guest::files)
}

type Fd = Resource<Descriptor>;
type Store = Accessor<Guest, DynoFiles>;
type Ended = FutureReader<Result<(), ErrorCode>>;

impl From<Full> for FilesystemError {
    fn from(_: Full) -> FilesystemError {
        ErrorCode::InsufficientSpace.into()
    }
}

fn borrow(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

/// The engine's own functions on the same store.
fn plain(store: &Store) -> Accessor<Guest, WasiFilesystem> {
    store.with_getter::<WasiFilesystem>(<Guest as WasiFilesystemView>::filesystem)
}

fn plain_access<'a>(
    store: &'a mut Access<'_, Guest, DynoFiles>,
) -> Access<'a, Guest, WasiFilesystem> {
    Access::new(store.as_context_mut(), |guest| guest.filesystem())
}

fn quota(store: &Store) -> Arc<Quota> {
    store.with(|mut store| Arc::clone(&store.get().files.quota))
}

/// Whether what is under `fd` may be changed, and so counts against the quota.
fn writable(store: &Store, fd: &Fd) -> FilesystemResult<bool> {
    store.with(|mut store| {
        let perms = match store.get().wasi.table.get(fd)? {
            Descriptor::File(File { perms, .. }) | Descriptor::Dir(Dir { perms, .. }) => *perms,
        };
        Ok(!perms.write_not_permitted())
    })
}

fn file(store: &Store, fd: &Fd) -> FilesystemResult<Arc<std::fs::File>> {
    store.with(|mut store| match store.get().wasi.table.get(fd)? {
        Descriptor::File(file) => Ok(Arc::clone(&file.file)),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
    })
}

/// The regular file that `path` names and that would be gone with this name.
async fn last_name(store: &Store, fd: &Fd, path: &str) -> Option<Metadata> {
    let (inner, nofollow) = (plain(store), types::PathFlags::empty());
    let stat = Inner::stat_at(&inner, borrow(fd), nofollow, path.to_owned());
    let stat = stat.await.ok()?;
    if !matches!(stat.type_, types::DescriptorType::RegularFile) || stat.link_count != 1 {
        return None;
    }
    let (flags, none) = (types::DescriptorFlags::READ, types::OpenFlags::empty());
    let opened = Inner::open_at(&inner, borrow(fd), nofollow, path.to_owned(), none, flags);
    let opened = opened.await.ok()?;
    let descriptor = store.with(|mut store| store.get().wasi.table.delete(opened));
    match descriptor.ok()? {
        Descriptor::File(file) => file.file.metadata().ok().filter(|meta| meta.nlink() == 1),
        Descriptor::Dir(_) => None,
    }
}

/// Charges one name before `make`, and takes it back if that fails.
async fn named<T>(
    store: &Store,
    fd: &Fd,
    make: impl Future<Output = FilesystemResult<T>>,
) -> FilesystemResult<T> {
    let quota = quota(store);
    if !writable(store, fd)? {
        return make.await;
    }
    quota.create()?;
    let made = make.await;
    if made.is_err() {
        quota.uncreate();
    }
    made
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.files.preopens(self.wasi.table)
    }
}

impl types::HostDescriptor for FilesView<'_> {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        types::HostDescriptor::drop(&mut self.wasi, fd)
    }
}

/// Functions that grow nothing: passed on.
macro_rules! passed_on {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(async fn $name(store: &Store, fd: Fd $(, $arg: $ty)*) -> $out {
            Inner::$name(&plain(store), fd $(, $arg)*).await
        })*
    };
}

impl types::HostDescriptorWithStore<Guest> for DynoFiles {
    passed_on! {
        advise(offset: u64, len: u64, advice: types::Advice) -> FilesystemResult<()>;
        get_flags() -> FilesystemResult<types::DescriptorFlags>;
        get_type() -> FilesystemResult<types::DescriptorType>;
        set_times(atim: types::NewTimestamp, mtim: types::NewTimestamp) -> FilesystemResult<()>;
        stat() -> FilesystemResult<types::DescriptorStat>;
        stat_at(flags: types::PathFlags, path: String) -> FilesystemResult<types::DescriptorStat>;
        set_times_at(
            flags: types::PathFlags,
            path: String,
            atim: types::NewTimestamp,
            mtim: types::NewTimestamp
        ) -> FilesystemResult<()>;
        readlink_at(path: String) -> FilesystemResult<String>;
        is_same_object(other: Fd) -> wasmtime::Result<bool>;
        metadata_hash() -> FilesystemResult<types::MetadataHashValue>;
        metadata_hash_at(
            flags: types::PathFlags,
            path: String
        ) -> FilesystemResult<types::MetadataHashValue>;
    }

    fn read_via_stream(
        mut store: Access<'_, Guest, Self>,
        fd: Fd,
        offset: u64,
    ) -> wasmtime::Result<(StreamReader<u8>, Ended)> {
        Inner::read_via_stream(plain_access(&mut store), fd, offset)
    }

    fn read_directory(
        mut store: Access<'_, Guest, Self>,
        fd: Fd,
    ) -> wasmtime::Result<(StreamReader<types::DirectoryEntry>, Ended)> {
        Inner::read_directory(plain_access(&mut store), fd)
    }

    fn write_via_stream(
        store: Access<'_, Guest, Self>,
        fd: Fd,
        data: StreamReader<u8>,
        offset: u64,
    ) -> wasmtime::Result<Ended> {
        write(store, &fd, data, Some(offset))
    }

    fn append_via_stream(
        store: Access<'_, Guest, Self>,
        fd: Fd,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<Ended> {
        write(store, &fd, data, None)
    }

    /// Nothing to do, as for 0.2: these folders end with the dyno.
    async fn sync_data(store: &Store, fd: Fd) -> FilesystemResult<()> {
        writable(store, &fd).map(drop)
    }

    async fn sync(store: &Store, fd: Fd) -> FilesystemResult<()> {
        writable(store, &fd).map(drop)
    }

    async fn set_size(store: &Store, fd: Fd, size: u64) -> FilesystemResult<()> {
        if !writable(store, &fd)? {
            return Inner::set_size(&plain(store), fd, size).await;
        }
        let (file, quota) = (file(store, &fd)?, quota(store));
        let before = file.metadata().map_err(|_| ErrorCode::Io)?.len();
        quota.grow(&file, size)?;
        Inner::set_size(&plain(store), fd, size).await?;
        quota.shrank(&file, before);
        Ok(())
    }

    async fn open_at(
        store: &Store,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        oflags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FilesystemResult<Fd> {
        let inner = plain(store);
        if !writable(store, &fd)? {
            // The engine lets this pass, and gives a descriptor that cannot do it.
            if flags.contains(types::DescriptorFlags::MUTATE_DIRECTORY) {
                return Err(ErrorCode::ReadOnly.into());
            }
            return Inner::open_at(&inner, fd, path_flags, path, oflags, flags).await;
        }
        let stat = Inner::stat_at(&inner, borrow(&fd), path_flags, path.clone()).await;
        let truncate = oflags.contains(types::OpenFlags::TRUNCATE);
        let before = stat
            .as_ref()
            .ok()
            .filter(|_| truncate)
            .map(|stat| stat.size);
        let creates = oflags.contains(types::OpenFlags::CREATE) && stat.is_err();
        let dir = borrow(&fd);
        let open = Inner::open_at(&inner, fd, path_flags, path, oflags, flags);
        let opened = if creates {
            named(store, &dir, open).await?
        } else {
            open.await?
        };
        if let Ok(file) = file(store, &opened) {
            let quota = quota(store);
            quota.opened(&file);
            if let Some(before) = before {
                quota.shrank(&file, before);
            }
        }
        Ok(opened)
    }

    async fn create_directory_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        let (inner, dir) = (plain(store), borrow(&fd));
        named(store, &dir, Inner::create_directory_at(&inner, fd, path)).await
    }

    async fn symlink_at(store: &Store, fd: Fd, old: String, new: String) -> FilesystemResult<()> {
        let (inner, dir) = (plain(store), borrow(&fd));
        named(store, &dir, Inner::symlink_at(&inner, fd, old, new)).await
    }

    async fn link_at(
        store: &Store,
        fd: Fd,
        flags: types::PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        let (inner, dir) = (plain(store), borrow(&new_fd));
        named(
            store,
            &dir,
            Inner::link_at(&inner, fd, flags, old, new_fd, new),
        )
        .await
    }

    async fn remove_directory_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        Inner::remove_directory_at(&plain(store), fd, path).await?;
        quota(store).uncreate();
        Ok(())
    }

    async fn unlink_file_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        let last = if writable(store, &fd)? {
            last_name(store, &fd, &path).await
        } else {
            None
        };
        Inner::unlink_file_at(&plain(store), fd, path).await?;
        match last {
            Some(meta) => quota(store).unlinked(&meta),
            None => quota(store).uncreate(),
        }
        Ok(())
    }

    async fn rename_at(
        store: &Store,
        fd: Fd,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        let (inner, nofollow) = (plain(store), types::PathFlags::empty());
        let exists = Inner::stat_at(&inner, borrow(&new_fd), nofollow, new.clone()).await;
        let replaces = exists.is_ok() && writable(store, &new_fd)?;
        let last = if replaces {
            last_name(store, &new_fd, &new).await
        } else {
            None
        };
        let source = if replaces {
            last_name(store, &fd, &old).await
        } else {
            None
        };
        Inner::rename_at(&inner, fd, old, new_fd, new).await?;
        let same = matches!((&last, &source), (Some(a), Some(b)) if a.ino() == b.ino());
        match last {
            Some(meta) if !same => quota(store).unlinked(&meta),
            None if replaces => quota(store).uncreate(),
            _ => {}
        }
        Ok(())
    }
}

fn write(
    mut store: Access<'_, Guest, DynoFiles>,
    fd: &Fd,
    mut data: StreamReader<u8>,
    at: Option<u64>,
) -> wasmtime::Result<Ended> {
    let (ended, result) = oneshot::channel();
    let view = store.get();
    let file = match view.wasi.table.get(fd)? {
        Descriptor::File(file) if !file.perms.write_not_permitted() => Ok(Arc::clone(&file.file)),
        Descriptor::File(_) => Err(ErrorCode::NotPermitted),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor),
    };
    let quota = Arc::clone(&view.files.quota);
    match file {
        Ok(file) => data.pipe(
            &mut store,
            Writer {
                file,
                at,
                quota,
                ended: Some(ended),
            },
        )?,
        Err(error) => {
            data.close(&mut store)?;
            let _ = ended.send(Err(error));
        }
    }
    FutureReader::new(&mut store, result)
}

/// Takes a stream of bytes into a file, after asking the quota.
struct Writer {
    file: Arc<std::fs::File>,
    /// The next byte's offset; `None` appends.
    at: Option<u64>,
    quota: Arc<Quota>,
    ended: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl Writer {
    fn end(&mut self, result: Result<(), ErrorCode>) {
        if let Some(ended) = self.ended.take() {
            // The guest may have no interest in how it ended.
            let _ = ended.send(result);
        }
    }
}

impl<D> StreamConsumer<D> for Writer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let len = bytes.len();
        if let Err(error) = write_charged(&self.file, self.at, bytes, &self.quota) {
            self.end(Err(error.into()));
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        source.mark_read(len);
        if let Some(at) = &mut self.at {
            *at += len as u64;
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

//! `wasi:filesystem` 0.3: wasmtime-wasi's implementation, behind the tree, the rules and the quota of this room.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, FutureReader, Linker, Source, StreamConsumer, StreamReader, StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use crate::guest::filesystem::changes::{self as changes, OpenRequest};
use crate::guest::filesystem::paths::{FileRefusal, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::DiskQuota;
use crate::guest::filesystem::view::{
    Fd, FilesystemView, GuestFilesystem, WRITE_BYTES_MAX, write_charged,
};
use types::{ErrorCode, HostDescriptorWithStore as Inner};

pub(crate) fn add_to_linker<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> FilesystemView<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<_, GuestFilesystem>(linker, view)?;
    preopens::add_to_linker::<_, GuestFilesystem>(linker, view)
}

type FilesystemStore<T> = Accessor<T, GuestFilesystem>;
type WriteResult = FutureReader<Result<(), ErrorCode>>;

impl From<FileRefusal> for FilesystemError {
    fn from(refusal: FileRefusal) -> FilesystemError {
        ErrorCode::from(refusal).into()
    }
}

/// The store as the engine's own functions see it.
fn plain<T: WasiView + 'static>(store: &FilesystemStore<T>) -> Accessor<T, WasiFilesystem> {
    store.with_getter::<WasiFilesystem>(<T as WasiFilesystemView>::filesystem)
}

fn plain_access<'a, T: WasiView + 'static>(
    store: &'a mut Access<'_, T, GuestFilesystem>,
) -> Access<'a, T, WasiFilesystem> {
    Access::new(store.as_context_mut(), |guest| guest.filesystem())
}

fn quota<T: 'static>(store: &FilesystemStore<T>) -> Arc<DiskQuota> {
    store.with(|mut store| Arc::clone(&store.get().files.quota))
}

/// Refuses to change a file or folder whose handle is read-only.
fn check_writable<T: 'static>(store: &FilesystemStore<T>, fd: &Fd) -> FilesystemResult<()> {
    store.with(|mut store| store.get().check_writable(fd))
}

fn file<T: 'static>(store: &FilesystemStore<T>, fd: &Fd) -> FilesystemResult<Arc<std::fs::File>> {
    let file: FilesystemResult<_> = store.with(|mut store| store.get().file(fd));
    Ok(file?.file)
}

/// Resolves a path. Returns the handle from which the engine is to open it, and the path from there.
fn resolve<T: 'static>(
    store: &FilesystemStore<T>,
    fd: &Fd,
    path: String,
    last: impl Into<LastLink>,
) -> FilesystemResult<(Fd, ResolvedPath)> {
    store.with(|mut store| store.get().resolve(fd, path, last))
}

impl types::Host for FilesystemView<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl preopens::Host for FilesystemView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.files.push_preopens(self.wasi.table)
    }
}

impl types::HostDescriptor for FilesystemView<'_> {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        types::HostDescriptor::drop(&mut self.wasi, fd)
    }
}

/// Functions of an open handle that change nothing: passed on to the engine.
macro_rules! passed_on {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(async fn $name(store: &FilesystemStore<T>, fd: Fd $(, $arg: $ty)*) -> $out {
            Inner::$name(&plain(store), fd $(, $arg)*).await
        })*
    };
}

/// Functions of a path that change nothing: passed on to the engine with the resolved path.
macro_rules! passed_on_in_tree {
    ($($name:ident($($flags:ident)?) -> $out:ty;)*) => {
        $(async fn $name(
            store: &FilesystemStore<T>,
            fd: Fd,
            $($flags: types::PathFlags,)?
            path: String,
        ) -> FilesystemResult<$out> {
            #[allow(unused_variables)]
            let follow = LastLink::Keep;
            $(let follow = LastLink::from($flags);)?
            let (fd, at) = resolve(store, &fd, path, follow)?;
            Inner::$name(&plain(store), fd, $($flags,)? at.path).await
        })*
    };
}

impl<T: WasiView + 'static> types::HostDescriptorWithStore<T> for GuestFilesystem {
    passed_on! {
        advise(offset: u64, len: u64, advice: types::Advice) -> FilesystemResult<()>;
        get_flags() -> FilesystemResult<types::DescriptorFlags>;
        get_type() -> FilesystemResult<types::DescriptorType>;
        stat() -> FilesystemResult<types::DescriptorStat>;
        is_same_object(other: Fd) -> wasmtime::Result<bool>;
        metadata_hash() -> FilesystemResult<types::MetadataHashValue>;
    }

    passed_on_in_tree! {
        stat_at(flags) -> types::DescriptorStat;
        readlink_at() -> String;
        metadata_hash_at(flags) -> types::MetadataHashValue;
    }

    async fn set_times(
        store: &FilesystemStore<T>,
        fd: Fd,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FilesystemResult<()> {
        check_writable(store, &fd)?;
        Inner::set_times(&plain(store), fd, atim, mtim).await
    }

    async fn set_times_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FilesystemResult<()> {
        let (fd, at) = resolve(store, &fd, path, flags)?;
        changes::begin_set_times(&at, flags.into())?;
        Inner::set_times_at(&plain(store), fd, flags, at.path, atim, mtim).await
    }

    fn read_via_stream(
        mut store: Access<'_, T, Self>,
        fd: Fd,
        offset: u64,
    ) -> wasmtime::Result<(StreamReader<u8>, WriteResult)> {
        Inner::read_via_stream(plain_access(&mut store), fd, offset)
    }

    fn read_directory(
        mut store: Access<'_, T, Self>,
        fd: Fd,
    ) -> wasmtime::Result<(StreamReader<types::DirectoryEntry>, WriteResult)> {
        let view = store.get();
        let entries = match view.wasi.table.get(&fd)? {
            Descriptor::Dir(dir) => view.files.list_root(dir),
            Descriptor::File(_) => None,
        };
        let Some(entries) = entries else {
            return Inner::read_directory(plain_access(&mut store), fd);
        };
        let (entries, ended) = match entries {
            Ok(entries) => (
                entries
                    .into_iter()
                    .map(types::DirectoryEntry::from)
                    .collect(),
                Ok(()),
            ),
            Err(error) => (Vec::new(), Err(ErrorCode::from(error))),
        };
        Ok((
            StreamReader::new(&mut store, entries)?,
            FutureReader::new(&mut store, async move { wasmtime::error::Ok(ended) })?,
        ))
    }

    fn write_via_stream(
        store: Access<'_, T, Self>,
        fd: Fd,
        data: StreamReader<u8>,
        offset: u64,
    ) -> wasmtime::Result<WriteResult> {
        write(store, &fd, data, Some(offset))
    }

    fn append_via_stream(
        store: Access<'_, T, Self>,
        fd: Fd,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<WriteResult> {
        write(store, &fd, data, None)
    }

    /// Does nothing, as in 0.2: these folders end with the dyno.
    async fn sync_data(store: &FilesystemStore<T>, fd: Fd) -> FilesystemResult<()> {
        store.with(|mut store| Ok(store.get().wasi.table.get(&fd).map(drop)?))
    }

    async fn sync(store: &FilesystemStore<T>, fd: Fd) -> FilesystemResult<()> {
        <GuestFilesystem as Inner<T>>::sync_data(store, fd).await
    }

    async fn set_size(store: &FilesystemStore<T>, fd: Fd, size: u64) -> FilesystemResult<()> {
        let file = file(store, &fd)?;
        check_writable(store, &fd)?;
        let _sizing = changes::begin_set_size(&quota(store), &file, size)?;
        Inner::set_size(&plain(store), fd, size).await
    }

    async fn open_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        oflags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FilesystemResult<Fd> {
        let (fd, at) = resolve(store, &fd, path, path_flags)?;
        let request = OpenRequest::from((path_flags, oflags, flags));
        let opening = changes::begin_open(&quota(store), &at, request)?;
        let opened = Inner::open_at(&plain(store), fd, path_flags, at.path, oflags, flags).await?;
        store.with(|mut store| {
            let view = store.get();
            let descriptor = view.wasi.table.get_mut(&opened)?;
            view.files.mark_opened_folder(descriptor, at.tree_folder);
            match descriptor {
                Descriptor::File(file) => opening.finish(Some(&file.file)),
                Descriptor::Dir(_) => opening.finish(None),
            }
            FilesystemResult::Ok(())
        })?;
        Ok(opened)
    }

    async fn create_directory_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        path: String,
    ) -> FilesystemResult<()> {
        let (fd, at) = resolve(store, &fd, path, LastLink::Keep)?;
        let name = changes::begin_create(&quota(store), &at)?;
        Inner::create_directory_at(&plain(store), fd, at.path).await?;
        name.keep();
        Ok(())
    }

    async fn symlink_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        old: String,
        new: String,
    ) -> FilesystemResult<()> {
        let (fd, at) = resolve(store, &fd, new, LastLink::Keep)?;
        let name = changes::begin_create(&quota(store), &at)?;
        store.with(|mut store| store.get().files.expect_links());
        Inner::symlink_at(&plain(store), fd, old, at.path).await?;
        name.keep();
        Ok(())
    }

    async fn link_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        flags: types::PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        let (fd, from) = resolve(store, &fd, old, flags)?;
        let (new_fd, to) = resolve(store, &new_fd, new, LastLink::Keep)?;
        let name = changes::begin_link(&quota(store), &from, &to)?;
        Inner::link_at(&plain(store), fd, flags, from.path, new_fd, to.path).await?;
        name.keep();
        Ok(())
    }

    async fn remove_directory_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        path: String,
    ) -> FilesystemResult<()> {
        let (fd, at) = resolve(store, &fd, path, LastLink::Keep)?;
        let removal = changes::begin_remove_folder(&quota(store), &at)?;
        Inner::remove_directory_at(&plain(store), fd, at.path).await?;
        removal.finish();
        Ok(())
    }

    async fn unlink_file_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        path: String,
    ) -> FilesystemResult<()> {
        let (fd, at) = resolve(store, &fd, path, LastLink::Keep)?;
        let removal = changes::begin_unlink(&quota(store), &at)?;
        Inner::unlink_file_at(&plain(store), fd, at.path).await?;
        removal.finish();
        Ok(())
    }

    async fn rename_at(
        store: &FilesystemStore<T>,
        fd: Fd,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        let (fd, from) = resolve(store, &fd, old, LastLink::Keep)?;
        let (new_fd, to) = resolve(store, &new_fd, new, LastLink::Keep)?;
        let removal = changes::begin_rename(&quota(store), &from, &to)?;
        Inner::rename_at(&plain(store), fd, from.path, new_fd, to.path).await?;
        removal.finish();
        Ok(())
    }
}

fn write<T: 'static>(
    mut store: Access<'_, T, GuestFilesystem>,
    fd: &Fd,
    mut data: StreamReader<u8>,
    at: Option<u64>,
) -> wasmtime::Result<WriteResult> {
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
            FileStreamWriter {
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

/// Writes a stream of bytes into a file, charged to the quota.
struct FileStreamWriter {
    file: Arc<std::fs::File>,
    /// The offset of the next byte. `None` appends.
    at: Option<u64>,
    quota: Arc<DiskQuota>,
    ended: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl FileStreamWriter {
    fn end(&mut self, result: Result<(), ErrorCode>) {
        if let Some(ended) = self.ended.take() {
            // The guest may have dropped its end of the result.
            let _ = ended.send(result);
        }
    }
}

impl<D> StreamConsumer<D> for FileStreamWriter {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        // The write runs on a thread of the runtime. Longer writes are split, so that other guests run in between.
        let bytes = source.remaining();
        let len = bytes.len().min(WRITE_BYTES_MAX);
        let bytes = &bytes[..len];
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

impl Drop for FileStreamWriter {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

//! `wasi:filesystem` 0.3 for a dyno: wasmtime-wasi's own behind the same tree, rules and quota as for 0.2.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, FutureReader, Linker, Resource, Source, StreamConsumer, StreamReader,
    StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use crate::guest::filesystem::changes::{self as changes, OpenRequest};
use crate::guest::filesystem::p2::{
    FilesystemView, GuestFilesystem, WRITE_BYTES_MAX, write_charged,
};
use crate::guest::filesystem::paths::{FileRefusal, LastLink, ResolvedPath};
use crate::guest::filesystem::quota::DiskQuota;
use crate::guest::filesystem::tree::EntryKind;
use types::{ErrorCode, HostDescriptorWithStore as Inner};

pub(crate) fn add_to_linker<T: WasiView + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> FilesystemView<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<_, GuestFilesystem>(linker, view)?;
    preopens::add_to_linker::<_, GuestFilesystem>(linker, view)
}

type Fd = Resource<Descriptor>;
type Store<T> = Accessor<T, GuestFilesystem>;
type WriteResult = FutureReader<Result<(), ErrorCode>>;

impl From<FileRefusal> for ErrorCode {
    fn from(refusal: FileRefusal) -> ErrorCode {
        match refusal {
            FileRefusal::ReadOnly => ErrorCode::ReadOnly,
            FileRefusal::CrossDevice => ErrorCode::CrossDevice,
            FileRefusal::Busy => ErrorCode::Busy,
            FileRefusal::Exists => ErrorCode::Exist,
            FileRefusal::IsFolder => ErrorCode::IsDirectory,
            FileRefusal::NotPermitted => ErrorCode::NotPermitted,
            FileRefusal::TooManyLinks => ErrorCode::Loop,
            FileRefusal::Invalid => ErrorCode::Invalid,
            FileRefusal::Full => ErrorCode::InsufficientSpace,
            FileRefusal::Io(error) => error.into(),
        }
    }
}

impl From<FileRefusal> for FilesystemError {
    fn from(refusal: FileRefusal) -> FilesystemError {
        ErrorCode::from(refusal).into()
    }
}

fn borrow(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

/// The engine's own functions on the same store.
fn plain<T: WasiView + 'static>(store: &Store<T>) -> Accessor<T, WasiFilesystem> {
    store.with_getter::<WasiFilesystem>(<T as WasiFilesystemView>::filesystem)
}

fn plain_access<'a, T: WasiView + 'static>(
    store: &'a mut Access<'_, T, GuestFilesystem>,
) -> Access<'a, T, WasiFilesystem> {
    Access::new(store.as_context_mut(), |guest| guest.filesystem())
}

fn quota<T: 'static>(store: &Store<T>) -> Arc<DiskQuota> {
    store.with(|mut store| Arc::clone(&store.get().files.quota))
}

/// Refuses to change what a read-only descriptor is open on.
fn check_writable<T: 'static>(store: &Store<T>, fd: &Fd) -> FilesystemResult<()> {
    let perms = store.with(|mut store| {
        let perms = match store.get().wasi.table.get(fd)? {
            Descriptor::File(File { perms, .. }) | Descriptor::Dir(Dir { perms, .. }) => *perms,
        };
        FilesystemResult::Ok(perms)
    })?;
    if perms.write_not_permitted() {
        return Err(ErrorCode::ReadOnly.into());
    }
    Ok(())
}

fn file<T: 'static>(store: &Store<T>, fd: &Fd) -> FilesystemResult<Arc<std::fs::File>> {
    store.with(|mut store| match store.get().wasi.table.get(fd)? {
        Descriptor::File(file) => Ok(Arc::clone(&file.file)),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
    })
}

/// Follows a path; gives the descriptor for the engine to begin at, and the path from there.
fn find<T: 'static>(
    store: &Store<T>,
    fd: &Fd,
    path: String,
    last: LastLink,
) -> FilesystemResult<(Fd, ResolvedPath)> {
    store.with(|mut store| {
        let view = store.get();
        let Descriptor::Dir(dir) = view.wasi.table.get(fd)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let (folder, place) = view.files.find(dir, path, last)?;
        let fd = folder.map_or_else(|| borrow(fd), |id| view.files.base(id));
        Ok((fd, place))
    })
}

/// Whether a path's last part is followed when it is a symbolic link.
fn last(flags: types::PathFlags) -> LastLink {
    if flags.contains(types::PathFlags::SYMLINK_FOLLOW) {
        LastLink::Follow
    } else {
        LastLink::Keep
    }
}

fn entry((name, kind): (String, EntryKind)) -> types::DirectoryEntry {
    let type_ = match kind {
        EntryKind::Folder => types::DescriptorType::Directory,
        EntryKind::File => types::DescriptorType::RegularFile,
        EntryKind::Link => types::DescriptorType::SymbolicLink,
        EntryKind::Other => types::DescriptorType::Other(None),
    };
    types::DirectoryEntry { type_, name }
}

impl types::Host for FilesystemView<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl preopens::Host for FilesystemView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.files.preopens(self.wasi.table)
    }
}

impl types::HostDescriptor for FilesystemView<'_> {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        types::HostDescriptor::drop(&mut self.wasi, fd)
    }
}

/// Functions of an open descriptor that change nothing: passed on.
macro_rules! passed_on {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(async fn $name(store: &Store<T>, fd: Fd $(, $arg: $ty)*) -> $out {
            Inner::$name(&plain(store), fd $(, $arg)*).await
        })*
    };
}

/// Functions of a path that change nothing: passed on with the folder that the path means.
macro_rules! passed_on_in_tree {
    ($($name:ident($($flags:ident)?) -> $out:ty;)*) => {
        $(async fn $name(
            store: &Store<T>,
            fd: Fd,
            $($flags: types::PathFlags,)?
            path: String,
        ) -> FilesystemResult<$out> {
            #[allow(unused_variables)]
            let follow = LastLink::Keep;
            $(let follow = last($flags);)?
            let (fd, at) = find(store, &fd, path, follow)?;
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
        store: &Store<T>,
        fd: Fd,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FilesystemResult<()> {
        check_writable(store, &fd)?;
        Inner::set_times(&plain(store), fd, atim, mtim).await
    }

    async fn set_times_at(
        store: &Store<T>,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
        atim: types::NewTimestamp,
        mtim: types::NewTimestamp,
    ) -> FilesystemResult<()> {
        let (fd, at) = find(store, &fd, path, last(flags))?;
        changes::begin_set_times(&at, last(flags))?;
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
            Ok(entries) => (entries.into_iter().map(entry).collect(), Ok(())),
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

    /// Nothing to do, as for 0.2: these folders end with the dyno.
    async fn sync_data(store: &Store<T>, fd: Fd) -> FilesystemResult<()> {
        store.with(|mut store| Ok(store.get().wasi.table.get(&fd).map(drop)?))
    }

    async fn sync(store: &Store<T>, fd: Fd) -> FilesystemResult<()> {
        <GuestFilesystem as Inner<T>>::sync_data(store, fd).await
    }

    async fn set_size(store: &Store<T>, fd: Fd, size: u64) -> FilesystemResult<()> {
        let file = file(store, &fd)?;
        check_writable(store, &fd)?;
        let _sizing = changes::begin_set_size(&quota(store), &file, size)?;
        Inner::set_size(&plain(store), fd, size).await
    }

    async fn open_at(
        store: &Store<T>,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        oflags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FilesystemResult<Fd> {
        let (fd, at) = find(store, &fd, path, last(path_flags))?;
        let asked = OpenRequest {
            last: last(path_flags),
            creates: oflags.contains(types::OpenFlags::CREATE),
            is_exclusive: oflags.contains(types::OpenFlags::EXCLUSIVE),
            truncates: oflags.contains(types::OpenFlags::TRUNCATE),
            writes: flags.contains(types::DescriptorFlags::WRITE),
            changes_folder: flags.contains(types::DescriptorFlags::MUTATE_DIRECTORY),
        };
        let opening = changes::begin_open(&quota(store), &at, asked)?;
        let opened = Inner::open_at(&plain(store), fd, path_flags, at.path, oflags, flags).await?;
        store.with(|mut store| {
            let view = store.get();
            let descriptor = view.wasi.table.get_mut(&opened)?;
            view.files.recognize(descriptor, at.is);
            match descriptor {
                Descriptor::File(file) => opening.done(Some(&file.file)),
                Descriptor::Dir(_) => opening.done(None),
            }
            FilesystemResult::Ok(())
        })?;
        Ok(opened)
    }

    async fn create_directory_at(store: &Store<T>, fd: Fd, path: String) -> FilesystemResult<()> {
        let (fd, at) = find(store, &fd, path, LastLink::Keep)?;
        let name = changes::begin_create(&quota(store), &at)?;
        Inner::create_directory_at(&plain(store), fd, at.path).await?;
        name.keep();
        Ok(())
    }

    async fn symlink_at(
        store: &Store<T>,
        fd: Fd,
        old: String,
        new: String,
    ) -> FilesystemResult<()> {
        let (fd, at) = find(store, &fd, new, LastLink::Keep)?;
        let name = changes::begin_create(&quota(store), &at)?;
        store.with(|mut store| store.get().files.expect_links());
        Inner::symlink_at(&plain(store), fd, old, at.path).await?;
        name.keep();
        Ok(())
    }

    async fn link_at(
        store: &Store<T>,
        fd: Fd,
        flags: types::PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        let (fd, from) = find(store, &fd, old, last(flags))?;
        let (new_fd, to) = find(store, &new_fd, new, LastLink::Keep)?;
        let name = changes::begin_link(&quota(store), &from, &to)?;
        Inner::link_at(&plain(store), fd, flags, from.path, new_fd, to.path).await?;
        name.keep();
        Ok(())
    }

    async fn remove_directory_at(store: &Store<T>, fd: Fd, path: String) -> FilesystemResult<()> {
        let (fd, at) = find(store, &fd, path, LastLink::Keep)?;
        let removal = changes::begin_remove_folder(&quota(store), &at)?;
        Inner::remove_directory_at(&plain(store), fd, at.path).await?;
        removal.done();
        Ok(())
    }

    async fn unlink_file_at(store: &Store<T>, fd: Fd, path: String) -> FilesystemResult<()> {
        let (fd, at) = find(store, &fd, path, LastLink::Keep)?;
        let removal = changes::begin_unlink(&quota(store), &at)?;
        Inner::unlink_file_at(&plain(store), fd, at.path).await?;
        removal.done();
        Ok(())
    }

    async fn rename_at(
        store: &Store<T>,
        fd: Fd,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        let (fd, from) = find(store, &fd, old, LastLink::Keep)?;
        let (new_fd, to) = find(store, &new_fd, new, LastLink::Keep)?;
        let removal = changes::begin_rename(&quota(store), &from, &to)?;
        Inner::rename_at(&plain(store), fd, from.path, new_fd, to.path).await?;
        removal.done();
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

/// Takes a stream of bytes into a file, after asking the quota.
struct FileStreamWriter {
    file: Arc<std::fs::File>,
    /// The next byte's offset; `None` appends.
    at: Option<u64>,
    quota: Arc<DiskQuota>,
    ended: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl FileStreamWriter {
    fn end(&mut self, result: Result<(), ErrorCode>) {
        if let Some(ended) = self.ended.take() {
            // The guest may have no interest in how it ended.
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
        // In the runtime's thread: the rest comes with the next calls, between which others run.
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

//! The functions of WASI preview 1: wasmtime-wasi's implementation, behind the tree, the rules and the quota of
//! `filesystem`.
//!
//! The files and folders that a module has open are in `state` and `folders`. Must not know components.

use std::sync::Arc;

use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::types::{self, Errno, Error, Fdflags, Lookupflags, Oflags, Rights};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self, WasiSnapshotPreview1 as Inner};
use wiggle::{GuestMemory, GuestPtr};

use crate::guest::filesystem::changes::{self as changes, OpenRequest};
use crate::guest::filesystem::paths::LastLink;
use crate::guest::preview1::folders::{HostPaths, encode_entries, read_path};
use crate::guest::preview1::sockets::ModuleSockets;
use crate::guest::preview1::state::{OpenFile, Preview1, last_link};

/// Creates a linker with all of preview 1. `state` finds the module's part in the data of a store.
pub(crate) fn build_linker<T: Send + 'static>(
    engine: &wasmtime::Engine,
    state: fn(&mut T) -> &mut Preview1,
) -> wasmtime::Result<wasmtime::Linker<T>> {
    let mut linker = wasmtime::Linker::new(engine);
    wasi_snapshot_preview1::add_to_linker(&mut linker, state)?;
    Ok(linker)
}

/// Functions of an open descriptor that change nothing, and functions that do not concern files: passed on to the
/// engine.
macro_rules! passed_on {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(fn $name(&mut self, memory: &mut GuestMemory<'_> $(, $arg: $ty)*) -> Result<$out, Error> {
            self.wasi.$name(memory $(, $arg)*)
        })*
    };
    ($(async fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        $(async fn $name(
            &mut self,
            memory: &mut GuestMemory<'_>
            $(, $arg: $ty)*
        ) -> Result<$out, Error> {
            self.wasi.$name(memory $(, $arg)*).await
        })*
    };
}

impl Inner for Preview1 {
    fn set_hostcall_fuel(&mut self, fuel: usize) {
        self.wasi.set_hostcall_fuel(fuel);
    }

    passed_on! {
        fn args_get(argv: GuestPtr<GuestPtr<u8>>, buf: GuestPtr<u8>) -> ();
        fn args_sizes_get() -> (types::Size, types::Size);
        fn environ_get(environ: GuestPtr<GuestPtr<u8>>, buf: GuestPtr<u8>) -> ();
        fn environ_sizes_get() -> (types::Size, types::Size);
        fn clock_res_get(id: types::Clockid) -> types::Timestamp;
        fn clock_time_get(id: types::Clockid, precision: types::Timestamp) -> types::Timestamp;
        fn fd_allocate(fd: types::Fd, offset: types::Filesize, len: types::Filesize) -> ();
        fn fd_fdstat_set_rights(fd: types::Fd, base: Rights, inheriting: Rights) -> ();
        fn fd_prestat_get(fd: types::Fd) -> types::Prestat;
        fn fd_prestat_dir_name(fd: types::Fd, path: GuestPtr<u8>, len_max: types::Size) -> ();
        fn fd_tell(fd: types::Fd) -> types::Filesize;
        fn proc_raise(signal: types::Signal) -> ();
        fn sched_yield() -> ();
        fn random_get(buf: GuestPtr<u8>, len: types::Size) -> ();
    }

    passed_on! {
        async fn fd_advise(
            fd: types::Fd,
            offset: types::Filesize,
            len: types::Filesize,
            advice: types::Advice
        ) -> ();
        async fn fd_pread(
            fd: types::Fd,
            iovs: types::IovecArray,
            offset: types::Filesize
        ) -> types::Size;
        async fn fd_seek(
            fd: types::Fd,
            offset: types::Filedelta,
            whence: types::Whence
        ) -> types::Filesize;
    }

    /// Accepts a connection to `$PORT`. It never blocks, whatever the flags.
    fn sock_accept(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        flags: Fdflags,
    ) -> Result<types::Fd, Error> {
        if !ModuleSockets::owns(fd) {
            return self.wasi.sock_accept(memory, fd, flags);
        }
        Ok(self.sockets.accept(fd)?)
    }

    fn sock_recv(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        data: types::IovecArray,
        flags: types::Riflags,
    ) -> Result<(types::Size, types::Roflags), Error> {
        if !ModuleSockets::owns(fd) {
            return self.wasi.sock_recv(memory, fd, data, flags);
        }
        if !flags.is_empty() {
            return Err(Errno::Notsup.into());
        }
        let len = self.read_socket(memory, fd, data)?;
        Ok((len, types::Roflags::empty()))
    }

    fn sock_send(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        data: types::CiovecArray,
        flags: types::Siflags,
    ) -> Result<types::Size, Error> {
        if !ModuleSockets::owns(fd) {
            return self.wasi.sock_send(memory, fd, data, flags);
        }
        self.write_socket(memory, fd, data)
    }

    fn sock_shutdown(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        how: types::Sdflags,
    ) -> Result<(), Error> {
        if !ModuleSockets::owns(fd) {
            return self.wasi.sock_shutdown(memory, fd, how);
        }
        Ok(self.sockets.shut_down(fd, how)?)
    }

    async fn fd_fdstat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<types::Fdstat, Error> {
        if ModuleSockets::owns(fd) {
            return Ok(self.sockets.describe(fd)?);
        }
        self.wasi.fd_fdstat_get(memory, fd).await
    }

    async fn fd_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<types::Filestat, Error> {
        if ModuleSockets::owns(fd) {
            return Ok(self.sockets.describe_file(fd)?);
        }
        self.wasi.fd_filestat_get(memory, fd).await
    }

    async fn fd_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::IovecArray,
    ) -> Result<types::Size, Error> {
        if ModuleSockets::owns(fd) {
            return self.read_socket(memory, fd, buffers);
        }
        self.wasi.fd_read(memory, fd, buffers).await
    }

    /// Waits without blocking the thread where wasmtime-wasi would block it, and every other guest on it.
    async fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<types::Subscription>,
        events: GuestPtr<types::Event>,
        len: types::Size,
    ) -> Result<types::Size, Error> {
        let waited = self.wait_for_events(memory, subscriptions, events, len);
        if let Some(count) = waited.await? {
            return Ok(count);
        }
        self.wasi
            .poll_oneoff(memory, subscriptions, events, len)
            .await
    }

    /// Does nothing: these folders end with the dyno, so their files need not survive a power cut, and no guest can
    /// make the host wait for a disk.
    async fn fd_sync(&mut self, memory: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        if self.files.contains_key(&u32::from(fd)) {
            return Ok(());
        }
        self.wasi.fd_sync(memory, fd).await
    }

    async fn fd_datasync(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<(), Error> {
        self.fd_sync(memory, fd).await
    }

    /// Exits with the code that a shell would show: its lowest eight bits.
    fn proc_exit(
        &mut self,
        _: &mut GuestMemory<'_>,
        status: types::Exitcode,
    ) -> wiggle::error::Error {
        I32Exit((status & 0xff) as i32).into()
    }

    fn fd_fdstat_set_flags(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        flags: Fdflags,
    ) -> Result<(), Error> {
        if ModuleSockets::owns(fd) {
            return Ok(self.sockets.check_flags(fd, flags)?);
        }
        self.wasi.fd_fdstat_set_flags(memory, fd, flags)?;
        if let Some(opened) = self.files.get_mut(&u32::from(fd)) {
            opened.append = flags.contains(Fdflags::APPEND);
        }
        Ok(())
    }

    async fn fd_close(&mut self, memory: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        if ModuleSockets::owns(fd) {
            return Ok(self.sockets.close(fd)?);
        }
        self.folders.check_not_spare(fd)?;
        self.folders.keep_spare(&mut self.wasi, fd).await;
        self.wasi.fd_close(memory, fd).await?;
        self.files.remove(&u32::from(fd));
        self.folders.note_closed(fd);
        Ok(())
    }

    async fn fd_renumber(
        &mut self,
        memory: &mut GuestMemory<'_>,
        from: types::Fd,
        to: types::Fd,
    ) -> Result<(), Error> {
        self.folders.check_not_spare(from)?;
        self.folders.check_not_spare(to)?;
        if u32::from(from) == u32::from(to) {
            return self.wasi.fd_renumber(memory, from, to).await;
        }
        self.folders.keep_spare(&mut self.wasi, to).await;
        self.wasi.fd_renumber(memory, from, to).await?;
        self.folders.note_renumbered(from, to);
        let (from, to) = (u32::from(from), u32::from(to));
        self.files.remove(&to);
        if let Some(opened) = self.files.remove(&from) {
            self.files.insert(to, opened);
        }
        Ok(())
    }

    async fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buf: GuestPtr<u8>,
        len: types::Size,
        cookie: types::Dircookie,
    ) -> Result<types::Size, Error> {
        if !self.folders.is_root(&self.tree, fd) {
            return self.wasi.fd_readdir(memory, fd, buf, len, cookie).await;
        }
        let entries = self
            .folders
            .list_root(&mut self.wasi, &self.tree, fd)
            .await?;
        let bytes = encode_entries(&entries, cookie, len as usize);
        memory.copy_from_slice(&bytes, buf.as_array(bytes.len() as u32))?;
        Ok(bytes.len() as u32)
    }

    async fn fd_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        atim: types::Timestamp,
        mtim: types::Timestamp,
        flags: types::Fstflags,
    ) -> Result<(), Error> {
        self.check_writable(fd)?;
        let set = self
            .wasi
            .fd_filestat_set_times(memory, fd, atim, mtim, flags);
        set.await
    }

    async fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
    ) -> Result<types::Size, Error> {
        if ModuleSockets::owns(fd) {
            return self.write_socket(memory, fd, buffers);
        }
        let _growth = self.charge_write(memory, fd, buffers, None)?;
        self.wasi.fd_write(memory, fd, buffers).await
    }

    async fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
        offset: types::Filesize,
    ) -> Result<types::Size, Error> {
        let _growth = self.charge_write(memory, fd, buffers, Some(offset))?;
        self.wasi.fd_pwrite(memory, fd, buffers, offset).await
    }

    async fn fd_filestat_set_size(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        size: types::Filesize,
    ) -> Result<(), Error> {
        self.check_writable(fd)?;
        let _sizing = match self.writable_file(fd) {
            Some((file, _)) => Some(changes::begin_set_size(&self.quota, &file, size)?),
            None => None,
        };
        self.wasi.fd_filestat_set_size(memory, fd, size).await
    }

    async fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        dirflags: Lookupflags,
        path: GuestPtr<str>,
        oflags: Oflags,
        base: Rights,
        inheriting: Rights,
        flags: Fdflags,
    ) -> Result<types::Fd, Error> {
        if ModuleSockets::owns(dir) {
            let path = read_path(memory, path)?;
            return Ok(self.sockets.open(dir, &path)?);
        }
        if self.files.contains_key(&u32::from(dir)) {
            return Err(Errno::Notdir.into());
        }
        let (dir, at) = self.resolve(memory, dir, path, last_link(dirflags))?;
        let request = OpenRequest {
            last: last_link(dirflags),
            creates: oflags.contains(Oflags::CREAT),
            is_exclusive: oflags.contains(Oflags::EXCL),
            truncates: oflags.contains(Oflags::TRUNC),
            writes: base.contains(Rights::FD_WRITE),
            changes_folder: false,
        };
        let opening = changes::begin_open(&self.quota, &at, request)?;
        let mut paths = HostPaths::from_paths(&[&at.path]);
        let (path, mut host) = (paths.path(0), paths.memory());
        let opened = self.wasi.path_open(
            &mut host, dir, dirflags, path, oflags, base, inheriting, flags,
        );
        let fd = opened.await?;
        let Some(file) = self.newest_file() else {
            opening.finish(None);
            self.folders.note_opened(&mut self.wasi, fd, &at);
            return Ok(fd);
        };
        opening.finish(Some(&file));
        let opened = OpenFile {
            file: Arc::downgrade(&file),
            append: flags.contains(Fdflags::APPEND),
            is_read_only: at.is_read_only,
        };
        self.files.insert(fd.into(), opened);
        Ok(fd)
    }

    async fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<types::Filestat, Error> {
        let (dir, at) = self.resolve(memory, dir, path, last_link(flags))?;
        let mut paths = HostPaths::from_paths(&[&at.path]);
        let (path, mut host) = (paths.path(0), paths.memory());
        self.wasi
            .path_filestat_get(&mut host, dir, flags, path)
            .await
    }

    async fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
        atim: types::Timestamp,
        mtim: types::Timestamp,
        set: types::Fstflags,
    ) -> Result<(), Error> {
        let (dir, at) = self.resolve(memory, dir, path, last_link(flags))?;
        changes::begin_set_times(&at, last_link(flags))?;
        let mut paths = HostPaths::from_paths(&[&at.path]);
        let (path, mut host) = (paths.path(0), paths.memory());
        self.wasi
            .path_filestat_set_times(&mut host, dir, flags, path, atim, mtim, set)
            .await
    }

    async fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
        buf: GuestPtr<u8>,
        len: types::Size,
    ) -> Result<types::Size, Error> {
        let (dir, at) = self.resolve(memory, dir, path, LastLink::Keep)?;
        let mut paths = HostPaths::with_room(&at.path, len);
        let (path, room, len) = (paths.path(0), paths.room(), paths.room_bytes());
        let mut host = paths.memory();
        let read = self
            .wasi
            .path_readlink(&mut host, dir, path, room, len)
            .await?;
        let target = host.to_vec(room.as_array(read))?;
        memory.copy_from_slice(&target, buf.as_array(read))?;
        Ok(read)
    }

    async fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, at) = self.resolve(memory, dir, path, LastLink::Keep)?;
        let name = changes::begin_create(&self.quota, &at)?;
        let mut paths = HostPaths::from_paths(&[&at.path]);
        let (path, mut host) = (paths.path(0), paths.memory());
        self.wasi
            .path_create_directory(&mut host, dir, path)
            .await?;
        name.keep();
        Ok(())
    }

    async fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
        to_dir: types::Fd,
        to: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, from) = self.resolve(memory, dir, path, last_link(flags))?;
        let (to_dir, to) = self.resolve(memory, to_dir, to, LastLink::Keep)?;
        let name = changes::begin_link(&self.quota, &from, &to)?;
        let mut paths = HostPaths::from_paths(&[&from.path, &to.path]);
        let (old, new, mut host) = (paths.path(0), paths.path(1), paths.memory());
        self.wasi
            .path_link(&mut host, dir, flags, old, to_dir, new)
            .await?;
        name.keep();
        Ok(())
    }

    async fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        path: GuestPtr<str>,
        dir: types::Fd,
        to: GuestPtr<str>,
    ) -> Result<(), Error> {
        let target = read_path(memory, path)?;
        let (dir, at) = self.resolve(memory, dir, to, LastLink::Keep)?;
        let name = changes::begin_create(&self.quota, &at)?;
        self.tree.expect_links();
        let mut paths = HostPaths::from_paths(&[&target, &at.path]);
        let (target, path, mut host) = (paths.path(0), paths.path(1), paths.memory());
        self.wasi.path_symlink(&mut host, target, dir, path).await?;
        name.keep();
        Ok(())
    }

    async fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, at) = self.resolve(memory, dir, path, LastLink::Keep)?;
        let removal = changes::begin_remove_folder(&self.quota, &at)?;
        let mut paths = HostPaths::from_paths(&[&at.path]);
        let (path, mut host) = (paths.path(0), paths.memory());
        self.wasi
            .path_remove_directory(&mut host, dir, path)
            .await?;
        removal.finish();
        Ok(())
    }

    async fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, at) = self.resolve(memory, dir, path, LastLink::Keep)?;
        let removal = changes::begin_unlink(&self.quota, &at)?;
        let mut paths = HostPaths::from_paths(&[&at.path]);
        let (path, mut host) = (paths.path(0), paths.memory());
        self.wasi.path_unlink_file(&mut host, dir, path).await?;
        removal.finish();
        Ok(())
    }

    async fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
        to_dir: types::Fd,
        to: GuestPtr<str>,
    ) -> Result<(), Error> {
        let (dir, from) = self.resolve(memory, dir, path, LastLink::Keep)?;
        let (to_dir, to) = self.resolve(memory, to_dir, to, LastLink::Keep)?;
        let removal = changes::begin_rename(&self.quota, &from, &to)?;
        let mut paths = HostPaths::from_paths(&[&from.path, &to.path]);
        let (old, new, mut host) = (paths.path(0), paths.path(1), paths.memory());
        self.wasi
            .path_rename(&mut host, dir, old, to_dir, new)
            .await?;
        removal.finish();
        Ok(())
    }
}

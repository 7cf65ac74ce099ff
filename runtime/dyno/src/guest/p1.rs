//! WASI preview 1 for core modules: wasmtime-wasi's own, with the quota in front of whatever grows or creates something.
//!
//! wasmtime-wasi keeps a module's descriptors to itself, so this one stands around it: it looks at a file before and
//! after what is done to it, as `files_p2` does for components. That the app's files are read-only is wasmtime-wasi's
//! to hold. Must not know of components.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{self, Errno, Error, Fdflags, Lookupflags, Oflags, Rights};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self, WasiSnapshotPreview1 as Inner};
use wasmtime_wasi::{I32Exit, WasiView};
use wiggle::{GuestMemory, GuestPtr};

use super::Guest;
use super::limits::RESOURCES_MAX;
use super::quota::{Full, Quota};

/// Buffers that one write may name: as many as POSIX asks of `writev`.
const BUFFERS_MAX: u32 = 1_024;

/// A linker with all of preview 1.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<wasmtime::Linker<Guest>> {
    let mut linker = wasmtime::Linker::new(engine);
    wasi_snapshot_preview1::add_to_linker(&mut linker, |guest: &mut Guest| guest.preview1())?;
    Ok(linker)
}

/// What a core module works on.
pub(crate) struct Preview1 {
    wasi: WasiP1Ctx,
    quota: Arc<Quota>,
    /// Files by descriptor.
    files: HashMap<u32, Opened>,
}

struct Opened {
    /// Held by wasmtime-wasi as long as the descriptor is open.
    file: Weak<File>,
    append: bool,
}

/// What is known of a write before it is made.
struct Charge {
    file: Arc<File>,
    /// The length that was paid for.
    end: u64,
    bytes: u32,
}

impl From<Full> for Error {
    fn from(_: Full) -> Error {
        Errno::Nospc.into()
    }
}

impl Preview1 {
    pub(crate) fn new(mut wasi: WasiP1Ctx, quota: Arc<Quota>) -> Preview1 {
        wasi.ctx().table.set_max_capacity(RESOURCES_MAX);
        Preview1 {
            wasi,
            quota,
            files: HashMap::new(),
        }
    }

    fn file(&self, fd: types::Fd) -> Option<(Arc<File>, bool)> {
        let opened = self.files.get(&u32::from(fd))?;
        Some((opened.file.upgrade()?, opened.append))
    }

    /// The file that was opened last: no other has never been shown to the quota.
    fn newest(&mut self) -> Option<Arc<File>> {
        let files = self.wasi.ctx().table.iter_mut();
        let mut files = files.filter_map(|entry| match entry.downcast_ref() {
            Some(Descriptor::File(file)) => Some(&file.file),
            _ => None,
        });
        files.find(|file| Arc::weak_count(file) == 0).cloned()
    }

    /// Pays for a write of these buffers at `at` (or where the descriptor stands), if it goes to a file.
    fn charge(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
        at: Option<u64>,
    ) -> Result<Option<Charge>, Error> {
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
            _ if append => file.metadata().map_err(|_| Errno::Io)?.len(),
            Some(at) => at,
            None => self.wasi.fd_tell(memory, fd)?,
        };
        let end = start.saturating_add(bytes.into());
        self.quota.grow(&file, end)?;
        Ok(Some(Charge { file, end, bytes }))
    }

    /// Takes back what was paid for and not written.
    fn settle(
        &self,
        charge: Option<Charge>,
        written: Result<u32, Error>,
    ) -> Result<types::Size, Error> {
        if let Some(charge) = charge
            && !written.as_ref().is_ok_and(|len| *len == charge.bytes)
        {
            self.quota.shrank(&charge.file, charge.end);
        }
        written
    }

    /// The regular file that `path` names and that would be gone with this name.
    async fn last_name(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Option<Metadata> {
        let nofollow = Lookupflags::empty();
        let stat = self.wasi.path_filestat_get(memory, dir, nofollow, path);
        let stat = stat.await.ok()?;
        if stat.filetype != types::Filetype::RegularFile || stat.nlink != 1 {
            return None;
        }
        let (none, read, flags) = (Oflags::empty(), Rights::FD_READ, Fdflags::empty());
        let fd = self
            .wasi
            .path_open(memory, dir, nofollow, path, none, read, read, flags);
        let fd = fd.await.ok()?;
        let meta = self.newest().and_then(|file| file.metadata().ok());
        self.wasi.fd_close(memory, fd).await.ok()?;
        meta.filter(|meta| meta.nlink() == 1)
    }

    /// Charges one name if `made` is not an error.
    fn named<T>(&self, made: Result<T, Error>) -> Result<T, Error> {
        if made.is_err() {
            self.quota.uncreate();
        }
        made
    }
}

/// The event of a clock whose time has come.
fn rang(userdata: types::Userdata) -> types::Event {
    types::Event {
        userdata,
        error: Errno::Success,
        type_: types::Eventtype::Clock,
        fd_readwrite: types::EventFdReadwrite {
            nbytes: 0,
            flags: types::Eventrwflags::empty(),
        },
    }
}

/// Functions that neither grow nor create anything: passed on.
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
        fn sock_accept(fd: types::Fd, flags: Fdflags) -> types::Fd;
        fn sock_recv(
            fd: types::Fd,
            data: types::IovecArray,
            flags: types::Riflags
        ) -> (types::Size, types::Roflags);
        fn sock_send(
            fd: types::Fd,
            data: types::CiovecArray,
            flags: types::Siflags
        ) -> types::Size;
        fn sock_shutdown(fd: types::Fd, how: types::Sdflags) -> ();
    }

    passed_on! {
        async fn fd_advise(
            fd: types::Fd,
            offset: types::Filesize,
            len: types::Filesize,
            advice: types::Advice
        ) -> ();
        async fn fd_fdstat_get(fd: types::Fd) -> types::Fdstat;
        async fn fd_filestat_get(fd: types::Fd) -> types::Filestat;
        async fn fd_filestat_set_times(
            fd: types::Fd,
            atim: types::Timestamp,
            mtim: types::Timestamp,
            flags: types::Fstflags
        ) -> ();
        async fn fd_read(fd: types::Fd, iovs: types::IovecArray) -> types::Size;
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
        async fn fd_readdir(
            fd: types::Fd,
            buf: GuestPtr<u8>,
            len: types::Size,
            cookie: types::Dircookie
        ) -> types::Size;
        async fn path_filestat_get(
            dir: types::Fd,
            flags: Lookupflags,
            path: GuestPtr<str>
        ) -> types::Filestat;
        async fn path_filestat_set_times(
            dir: types::Fd,
            flags: Lookupflags,
            path: GuestPtr<str>,
            atim: types::Timestamp,
            mtim: types::Timestamp,
            set: types::Fstflags
        ) -> ();
        async fn path_readlink(
            dir: types::Fd,
            path: GuestPtr<str>,
            buf: GuestPtr<u8>,
            len: types::Size
        ) -> types::Size;
    }

    /// Sleeps here if that is all it is about: wasmtime-wasi would put the whole thread to sleep, and every other guest
    /// on it.
    async fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<types::Subscription>,
        events: GuestPtr<types::Event>,
        len: types::Size,
    ) -> Result<types::Size, Error> {
        let absolute = types::Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME;
        if len == 1 {
            let subscription = memory.read(subscriptions)?;
            if let types::SubscriptionU::Clock(clock) = &subscription.u
                && !clock.flags.contains(absolute)
            {
                tokio::time::sleep(Duration::from_nanos(clock.timeout)).await;
                memory.write(events, rang(subscription.userdata))?;
                return Ok(1);
            }
        }
        self.wasi
            .poll_oneoff(memory, subscriptions, events, len)
            .await
    }

    /// Nothing to do: what is in these folders ends with the dyno, so it need not survive a power cut, and no guest
    /// can make the host wait for a disk.
    async fn fd_sync(&mut self, memory: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        self.wasi.fd_fdstat_get(memory, fd).await.map(drop)
    }

    async fn fd_datasync(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
    ) -> Result<(), Error> {
        self.fd_sync(memory, fd).await
    }

    /// The code as a shell knows it: its lowest eight bits.
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
        self.wasi.fd_fdstat_set_flags(memory, fd, flags)?;
        if let Some(opened) = self.files.get_mut(&u32::from(fd)) {
            opened.append = flags.contains(Fdflags::APPEND);
        }
        Ok(())
    }

    async fn fd_close(&mut self, memory: &mut GuestMemory<'_>, fd: types::Fd) -> Result<(), Error> {
        self.wasi.fd_close(memory, fd).await?;
        self.files.remove(&u32::from(fd));
        Ok(())
    }

    async fn fd_renumber(
        &mut self,
        memory: &mut GuestMemory<'_>,
        from: types::Fd,
        to: types::Fd,
    ) -> Result<(), Error> {
        self.wasi.fd_renumber(memory, from, to).await?;
        let (from, to) = (u32::from(from), u32::from(to));
        if from != to {
            self.files.remove(&to);
            if let Some(opened) = self.files.remove(&from) {
                self.files.insert(to, opened);
            }
        }
        Ok(())
    }

    async fn fd_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
    ) -> Result<types::Size, Error> {
        let charge = self.charge(memory, fd, buffers, None)?;
        let written = self.wasi.fd_write(memory, fd, buffers).await;
        self.settle(charge, written)
    }

    async fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        buffers: types::CiovecArray,
        offset: types::Filesize,
    ) -> Result<types::Size, Error> {
        let charge = self.charge(memory, fd, buffers, Some(offset))?;
        let written = self.wasi.fd_pwrite(memory, fd, buffers, offset).await;
        self.settle(charge, written)
    }

    async fn fd_filestat_set_size(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: types::Fd,
        size: types::Filesize,
    ) -> Result<(), Error> {
        let Some((file, _)) = self.file(fd) else {
            return self.wasi.fd_filestat_set_size(memory, fd, size).await;
        };
        let before = file.metadata().map_err(|_| Errno::Io)?.len();
        self.quota.grow(&file, size)?;
        let set = self.wasi.fd_filestat_set_size(memory, fd, size).await;
        self.quota.shrank(&file, before.max(size));
        set
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
        let known = self.wasi.path_filestat_get(memory, dir, dirflags, path);
        let known = known.await.ok();
        let creates = oflags.contains(Oflags::CREAT) && known.is_none();
        if creates {
            self.quota.create()?;
        }
        let opened = self
            .wasi
            .path_open(memory, dir, dirflags, path, oflags, base, inheriting, flags);
        let opened = opened.await;
        let fd = if creates {
            self.named(opened)?
        } else {
            opened?
        };
        if let Some(file) = self.newest() {
            self.quota.opened(&file);
            if let Some(known) = known.filter(|_| oflags.contains(Oflags::TRUNC)) {
                self.quota.shrank(&file, known.size);
            }
            let append = flags.contains(Fdflags::APPEND);
            let file = Arc::downgrade(&file);
            self.files.insert(fd.into(), Opened { file, append });
        }
        Ok(fd)
    }

    async fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.quota.create()?;
        let made = self.wasi.path_create_directory(memory, dir, path).await;
        self.named(made)
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
        self.quota.create()?;
        let made = self.wasi.path_link(memory, dir, flags, path, to_dir, to);
        let made = made.await;
        self.named(made)
    }

    async fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        path: GuestPtr<str>,
        dir: types::Fd,
        to: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.quota.create()?;
        let made = self.wasi.path_symlink(memory, path, dir, to).await;
        self.named(made)
    }

    async fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.wasi.path_remove_directory(memory, dir, path).await?;
        self.quota.uncreate();
        Ok(())
    }

    async fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        dir: types::Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        let last = self.last_name(memory, dir, path).await;
        self.wasi.path_unlink_file(memory, dir, path).await?;
        match last {
            Some(meta) => self.quota.unlinked(&meta),
            None => self.quota.uncreate(),
        }
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
        let nofollow = Lookupflags::empty();
        let known = self.wasi.path_filestat_get(memory, to_dir, nofollow, to);
        let replaces = known.await.is_ok();
        let (mut last, mut source) = (None, None);
        if replaces {
            last = self.last_name(memory, to_dir, to).await;
            source = self.last_name(memory, dir, path).await;
        }
        self.wasi.path_rename(memory, dir, path, to_dir, to).await?;
        let same = matches!((&last, &source), (Some(a), Some(b)) if a.ino() == b.ino());
        match last {
            Some(meta) if !same => self.quota.unlinked(&meta),
            None if replaces => self.quota.uncreate(),
            _ => {}
        }
        Ok(())
    }
}

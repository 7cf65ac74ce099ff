//! Owns the functions of WASI preview 1 that the interpreter calls for files and that may concern a device: they serve
//! devices, and pass all other calls on to the host. Must not know what the devices do.

use core::slice;

use crate::devices::Device;
use crate::exchange::Errno;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_close(fd: u32) -> u32;
    fn fd_fdstat_get(fd: u32, stat: *mut FdStat) -> u32;
    fn fd_fdstat_set_flags(fd: u32, flags: u32) -> u32;
    fn fd_filestat_get(fd: u32, stat: *mut FileStat) -> u32;
    fn fd_read(fd: u32, buffers: *const Buffer, count: usize, read: *mut usize) -> u32;
    fn fd_seek(fd: u32, offset: i64, whence: u32, position: *mut u64) -> u32;
    fn fd_write(fd: u32, buffers: *const Buffer, count: usize, written: *mut usize) -> u32;
    fn path_open(
        fd: u32,
        dir_flags: u32,
        path: *const u8,
        path_bytes: usize,
        open_flags: u32,
        rights: u64,
        rights_inherited: u64,
        fd_flags: u32,
        opened: *mut u32,
    ) -> u32;
}

/// An `iovec` or `ciovec`.
#[repr(C)]
struct Buffer {
    data: *mut u8,
    bytes: usize,
}

/// A `fdstat`.
#[repr(C)]
#[derive(Default)]
struct FdStat {
    file_type: u8,
    flags: u16,
    rights: u64,
    rights_inherited: u64,
}

/// A `filestat`.
#[repr(C)]
#[derive(Default)]
struct FileStat {
    device: u64,
    inode: u64,
    file_type: u8,
    links: u64,
    bytes: u64,
    times: [u64; 3],
}

/// The rights `fd_read` and `fd_write`.
const READ_AND_WRITE: u64 = 1 << 1 | 1 << 6;
/// The first of the folders that the host opens for a guest: the root folder.
const ROOT_FD: u32 = 3;

fn code(result: Result<(), Errno>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(errno) => errno as u32,
    }
}

// In each function: the interpreter passes pointers into the memory that it shares with this module, as preview 1 says.

#[unsafe(export_name = "wasi_snapshot_preview1::path_open")]
unsafe extern "C" fn open_path(
    fd: u32,
    dir_flags: u32,
    path: *const u8,
    path_bytes: usize,
    open_flags: u32,
    rights: u64,
    rights_inherited: u64,
    fd_flags: u32,
    opened: *mut u32,
) -> u32 {
    // SAFETY: see above.
    unsafe {
        let name = slice::from_raw_parts(path, path_bytes);
        match Device::of_path(name).filter(|_| fd == ROOT_FD) {
            Some(device) => {
                *opened = device.fd();
                0
            }
            None => path_open(
                fd,
                dir_flags,
                path,
                path_bytes,
                open_flags,
                rights,
                rights_inherited,
                fd_flags,
                opened,
            ),
        }
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_read")]
unsafe extern "C" fn read_fd(
    fd: u32,
    buffers: *const Buffer,
    count: usize,
    read: *mut usize,
) -> u32 {
    // SAFETY: see above.
    unsafe {
        let Some(device) = Device::of_fd(fd) else {
            return fd_read(fd, buffers, count, read);
        };
        // One buffer is enough for a short read.
        let first = slice::from_raw_parts(buffers, count)
            .iter()
            .find(|buffer| buffer.bytes > 0);
        let into = match first {
            Some(buffer) => slice::from_raw_parts_mut(buffer.data, buffer.bytes),
            None => &mut [],
        };
        code(device.read(into).map(|bytes| *read = bytes))
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_write")]
unsafe extern "C" fn write_fd(
    fd: u32,
    buffers: *const Buffer,
    count: usize,
    written: *mut usize,
) -> u32 {
    // SAFETY: see above.
    unsafe {
        let Some(device) = Device::of_fd(fd) else {
            return fd_write(fd, buffers, count, written);
        };
        let mut bytes = 0;
        for buffer in slice::from_raw_parts(buffers, count) {
            if buffer.bytes == 0 {
                continue;
            }
            if let Err(errno) = device.write(slice::from_raw_parts(buffer.data, buffer.bytes)) {
                return errno as u32;
            }
            bytes += buffer.bytes;
        }
        *written = bytes;
        0
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_close")]
unsafe extern "C" fn close_fd(fd: u32) -> u32 {
    match Device::of_fd(fd) {
        Some(_) => 0,
        // SAFETY: passes the call on.
        None => unsafe { fd_close(fd) },
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_fdstat_get")]
unsafe extern "C" fn get_fd_stat(fd: u32, stat: *mut FdStat) -> u32 {
    // SAFETY: see above.
    unsafe {
        if Device::of_fd(fd).is_none() {
            return fd_fdstat_get(fd, stat);
        }
        *stat = FdStat {
            rights: READ_AND_WRITE,
            ..FdStat::default()
        };
        0
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_fdstat_set_flags")]
unsafe extern "C" fn set_fd_flags(fd: u32, flags: u32) -> u32 {
    match Device::of_fd(fd) {
        Some(_) => 0,
        // SAFETY: passes the call on.
        None => unsafe { fd_fdstat_set_flags(fd, flags) },
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_filestat_get")]
unsafe extern "C" fn get_file_stat(fd: u32, stat: *mut FileStat) -> u32 {
    // SAFETY: see above.
    unsafe {
        if Device::of_fd(fd).is_none() {
            return fd_filestat_get(fd, stat);
        }
        *stat = FileStat::default();
        0
    }
}

#[unsafe(export_name = "wasi_snapshot_preview1::fd_seek")]
unsafe extern "C" fn seek_fd(fd: u32, offset: i64, whence: u32, position: *mut u64) -> u32 {
    match Device::of_fd(fd) {
        Some(_) => Errno::NotSeekable as u32,
        // SAFETY: passes the call on.
        None => unsafe { fd_seek(fd, offset, whence, position) },
    }
}

//! Owns the devices: files under `/dev/dyno` that the bridge serves to Ruby code, and their file descriptors.
//!
//! | file | a read returns | a write |
//! |---|---|---|
//! | `request` | the head of the request | starts the response: its head |
//! | `body` | the next part of the request's body; no bytes at the end | sends a part of the response's body |
//! | `control` | the result of the last operation | does an operation: see [`crate::control`] |
//!
//! A head is text with a zero byte behind each field. Must not know how the interpreter calls preview 1.

use alloc::vec::Vec;
use core::cell::RefCell;

use crate::control;
use crate::exchange::{self, Errno};
use crate::interpreter::SingleThread;

/// The folder of the devices, relative to the root folder.
const FOLDER: &[u8] = b"dev/dyno/";
/// The file descriptor of the first device: far above those of real files.
const FIRST_FD: u32 = 0x0d1d_0000;

/// A file under `/dev/dyno`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    Request,
    Body,
    Control,
}

const DEVICES: [(&[u8], Device); 3] = [
    (b"request", Device::Request),
    (b"body", Device::Body),
    (b"control", Device::Control),
];

/// Bytes that a device has yet to return, and how many of them were returned.
struct UnreadBytes {
    bytes: Vec<u8>,
    read: usize,
}

static RESULT: SingleThread<RefCell<UnreadBytes>> = SingleThread(RefCell::new(UnreadBytes {
    bytes: Vec::new(),
    read: 0,
}));

impl Device {
    /// The device of a path, which is relative to the root folder.
    pub(crate) fn of_path(path: &[u8]) -> Option<Device> {
        let name = path.strip_prefix(FOLDER)?;
        let known = DEVICES.iter().find(|(known, _)| *known == name);
        known.map(|(_, device)| *device)
    }

    /// The device of a file descriptor.
    pub(crate) fn of_fd(fd: u32) -> Option<Device> {
        let at = fd.checked_sub(FIRST_FD)? as usize;
        DEVICES.get(at).map(|(_, device)| *device)
    }

    /// The file descriptor of the device.
    pub(crate) fn fd(self) -> u32 {
        FIRST_FD + self as u32
    }

    /// Reads into a buffer; returns the number of bytes, which is 0 at the end.
    pub(crate) fn read(self, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Device::Body => exchange::read_body(into),
            Device::Request => {
                let mut result = RESULT.0.borrow_mut();
                if result.read == result.bytes.len() {
                    *result = UnreadBytes {
                        bytes: exchange::request_head()?,
                        read: 0,
                    };
                }
                Ok(result.take(into))
            }
            Device::Control => Ok(RESULT.0.borrow_mut().take(into)),
        }
    }

    /// Writes one message, or one part of the response's body.
    pub(crate) fn write(self, data: &[u8]) -> Result<(), Errno> {
        match self {
            Device::Body => exchange::send(data),
            Device::Request => exchange::start_response(data),
            Device::Control => {
                let bytes = control::perform(data)?;
                *RESULT.0.borrow_mut() = UnreadBytes { bytes, read: 0 };
                Ok(())
            }
        }
    }
}

impl UnreadBytes {
    fn take(&mut self, into: &mut [u8]) -> usize {
        let unread = &self.bytes[self.read..];
        let count = unread.len().min(into.len());
        into[..count].copy_from_slice(&unread[..count]);
        self.read += count;
        count
    }
}

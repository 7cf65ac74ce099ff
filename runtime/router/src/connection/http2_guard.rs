//! A look at the frames of an HTTP/2 connection as they come in.
//!
//! Owns the measure of frames that move nothing, by which the known floods live (resets, settings, pings,
//! priorities, empty data, continuations, unknown types). Must not know streams or what a frame means.

use crate::limits::{H2_BYTES_PER_FRAME, H2_CALM_WINDOW, H2_CONTROL_FRAMES_MAX};
use tokio::time::Instant;

/// What a client with prior knowledge sends first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags and stream (RFC 9113, 4.1).
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// More control frames than any client has use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flood;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Bytes of the preface or of a frame's payload that are still to come.
    skip: usize,
    header: [u8; HEADER_BYTES],
    have: usize,
    /// A block of headers is not complete.
    in_headers: bool,
    credit: u32,
    /// Bytes moved either way that have not earned a frame yet.
    moved: usize,
    since: Instant,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Frames {
            skip: PREFACE.len(),
            header: [0; HEADER_BYTES],
            have: 0,
            in_headers: false,
            credit: H2_CONTROL_FRAMES_MAX,
            moved: 0,
            since: Instant::now(),
        }
    }

    /// Whether a block of headers has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.in_headers
    }

    /// Bytes were written: a client that takes much may also say much.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.earn(bytes);
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let used = self.skip.min(bytes.len());
                self.skip -= used;
                bytes = &bytes[used..];
                continue;
            }
            let used = (HEADER_BYTES - self.have).min(bytes.len());
            self.header[self.have..self.have + used].copy_from_slice(&bytes[..used]);
            self.have += used;
            bytes = &bytes[used..];
            if self.have == HEADER_BYTES {
                self.have = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Flood> {
        let [a, b, c, kind, flags, ..] = self.header;
        let size = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.skip = size;
        match kind {
            DATA if size > 0 || flags & END_STREAM != 0 => {
                self.earn(size);
                return Ok(());
            }
            HEADERS => {
                self.in_headers = flags & END_HEADERS == 0;
                return Ok(());
            }
            CONTINUATION => self.in_headers = flags & END_HEADERS == 0,
            // A download needs two for what was sent to the client; only what goes beyond is idle talk.
            WINDOW_UPDATE if self.moved > 0 => {
                self.moved = self.moved.saturating_sub(H2_BYTES_PER_FRAME / 2);
                return Ok(());
            }
            _ => {}
        }
        self.spend()
    }

    fn earn(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        let frames = self.moved / H2_BYTES_PER_FRAME;
        self.moved %= H2_BYTES_PER_FRAME;
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.credit = self
            .credit
            .saturating_add(frames)
            .min(2 * H2_CONTROL_FRAMES_MAX);
    }

    fn spend(&mut self) -> Result<(), Flood> {
        if self.credit == 0 {
            // The clock is asked only here, so a calm client costs nothing.
            if self.since.elapsed() < H2_CALM_WINDOW {
                return Err(Flood);
            }
            self.since = Instant::now();
            self.credit = H2_CONTROL_FRAMES_MAX;
        }
        self.credit -= 1;
        Ok(())
    }
}

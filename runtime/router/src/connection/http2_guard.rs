//! Checks the frames of an HTTP/2 connection as they arrive.
//!
//! Owns the limit for frames that move no data, which the known floods consist of (resets, settings, pings, priorities,
//! empty data, continuations, unknown types). Must not know streams, or what a frame means.

use tokio::time::Instant;

use crate::limits::{H2_BYTES_PER_FRAME, H2_CALM_WINDOW, H2_CONTROL_FRAMES_MAX};

/// The first bytes of a client with prior knowledge (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header: length, type, flags and stream (RFC 9113, 4.1).
const HEADER_BYTES: usize = 9;

/// Types of frames (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// Flags of frames (RFC 9113, 6.1 and 6.2).
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The client sent more control frames than any client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameFlood;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(crate) struct Http2Guard {
    /// Bytes of the preface or of a frame's payload that are still to come.
    skipped_bytes: usize,
    header: [u8; HEADER_BYTES],
    /// Bytes of `header` that have arrived.
    header_len: usize,
    /// A block of headers has begun and is not complete.
    in_head: bool,
    /// Control frames that the client may still send.
    credit: u32,
    /// Bytes moved either way that have not earned a frame yet.
    moved_bytes: usize,
    window_began: Instant,
}

impl Http2Guard {
    pub(crate) fn new() -> Self {
        Http2Guard {
            skipped_bytes: PREFACE.len(),
            header: [0; HEADER_BYTES],
            header_len: 0,
            in_head: false,
            credit: H2_CONTROL_FRAMES_MAX,
            moved_bytes: 0,
            window_began: Instant::now(),
        }
    }

    /// Whether a block of headers has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.in_head
    }

    /// Counts bytes that were written: a client that takes much data may also send many frames.
    pub(crate) fn count_written(&mut self, bytes: usize) {
        self.earn_credit(bytes);
    }

    /// Checks bytes that were read.
    pub(crate) fn check(&mut self, mut bytes: &[u8]) -> Result<(), FrameFlood> {
        while !bytes.is_empty() {
            if self.skipped_bytes > 0 {
                let used = self.skipped_bytes.min(bytes.len());
                self.skipped_bytes -= used;
                bytes = &bytes[used..];
                continue;
            }
            let used = (HEADER_BYTES - self.header_len).min(bytes.len());
            self.header[self.header_len..self.header_len + used].copy_from_slice(&bytes[..used]);
            self.header_len += used;
            bytes = &bytes[used..];
            if self.header_len == HEADER_BYTES {
                self.header_len = 0;
                self.check_frame()?;
            }
        }
        Ok(())
    }

    fn check_frame(&mut self) -> Result<(), FrameFlood> {
        let [a, b, c, kind, flags, ..] = self.header;
        let size = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.skipped_bytes = size;
        match kind {
            DATA if size > 0 || flags & END_STREAM != 0 => {
                self.earn_credit(size);
                return Ok(());
            }
            HEADERS => {
                self.in_head = flags & END_HEADERS == 0;
                return Ok(());
            }
            CONTINUATION => self.in_head = flags & END_HEADERS == 0,
            // A download needs two for the data that was sent to the client: only more than that costs credit.
            WINDOW_UPDATE if self.moved_bytes > 0 => {
                self.moved_bytes = self.moved_bytes.saturating_sub(H2_BYTES_PER_FRAME / 2);
                return Ok(());
            }
            _ => {}
        }
        self.spend_credit()
    }

    fn earn_credit(&mut self, bytes: usize) {
        self.moved_bytes = self.moved_bytes.saturating_add(bytes);
        let frames = self.moved_bytes / H2_BYTES_PER_FRAME;
        self.moved_bytes %= H2_BYTES_PER_FRAME;
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.credit = self
            .credit
            .saturating_add(frames)
            .min(2 * H2_CONTROL_FRAMES_MAX);
    }

    fn spend_credit(&mut self) -> Result<(), FrameFlood> {
        if self.credit == 0 {
            // The clock is read only here, so a calm client costs nothing.
            if self.window_began.elapsed() < H2_CALM_WINDOW {
                return Err(FrameFlood);
            }
            self.window_began = Instant::now();
            self.credit = H2_CONTROL_FRAMES_MAX;
        }
        self.credit -= 1;
        Ok(())
    }
}

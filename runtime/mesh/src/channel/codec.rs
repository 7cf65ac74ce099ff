//! Frames as bytes: four bytes of length, big-endian, then a versioned message as JSON.
//!
//! Owns the encoding and its limit. Must not know the order of frames.

use bytes::{Buf, Bytes, BytesMut};
use grid::name::LeaderEpoch;
use grid::protocol::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{Frame, FrameContent};

/// Maximum bytes of an encoded frame, without its length. The largest messages are the inventory of a node with
/// thousands of dynos, and a release with all its config vars.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

/// A frame cannot be written or read. The connection that carried it must end.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Too many bytes.
    #[error("a frame of {bytes} bytes, of {FRAME_BYTES_MAX} at most")]
    Oversized {
        /// Its bytes.
        bytes: usize,
    },
    /// The bytes are no frame of a version that this program knows.
    #[error("the frame cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The value has no JSON form.
    #[error("the frame cannot be written")]
    Unwritable(#[source] serde_json::Error),
}

/// Encodes one frame, with its length.
pub fn encode_frame<F: Serialize>(frame: &F) -> Result<Bytes, CodecError> {
    let mut bytes = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut bytes, &Message::new(frame)).map_err(CodecError::Unwritable)?;
    let length = bytes.len() - LENGTH_BYTES;
    match u32::try_from(length) {
        Ok(header) if length <= FRAME_BYTES_MAX => {
            bytes[..LENGTH_BYTES].copy_from_slice(&header.to_be_bytes());
            Ok(bytes.into())
        }
        _ => Err(CodecError::Oversized { bytes: length }),
    }
}

/// The most bytes that a frame with this message can have, with its length.
pub(super) fn measure_message<T: Serialize>(body: &T) -> Result<usize, CodecError> {
    let longest = Frame {
        epoch: LeaderEpoch(u64::MAX),
        acknowledged: u64::MAX,
        content: FrameContent::Message {
            number: u64::MAX,
            body,
        },
    };
    encode_frame(&longest).map(|bytes| bytes.len())
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        FrameReader::default()
    }

    /// Adds received bytes. Call [`FrameReader::next_frame`] until it returns `None` before adding more, so that no more
    /// than one frame and one piece of the stream are in memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame, if there is one. After an error the stream is of no use.
    pub fn next_frame<F: DeserializeOwned>(&mut self) -> Result<Option<F>, CodecError> {
        let Some(header) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*header);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > FRAME_BYTES_MAX {
            return Err(CodecError::Oversized { bytes });
        }
        if self.buffer.len() < LENGTH_BYTES + bytes {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        let frame = self.buffer.split_to(bytes);
        let message: Message<F> = serde_json::from_slice(&frame).map_err(CodecError::Unreadable)?;
        Ok(Some(message.body))
    }
}

//! Frames over the body of an HTTP/2 request or response.
//!
//! Owns the two directions of one stream. Must not know what is in a frame.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame as BodyFrame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::limits::OUTGOING_PIECES_MAX;
use crate::channel::{ChannelError, CodecError, FrameReader};

/// A stream ended, other than by its peer's wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeshStreamError {
    /// The connection broke.
    #[error("the connection broke")]
    Connection(#[source] hyper::Error),
    /// The peer did not answer the begin of the stream.
    #[error("the peer did not answer in time")]
    NoAnswer,
    /// The peer answered with another status than 200.
    #[error("the peer answered {0}")]
    Status(http::StatusCode),
    /// A frame could not be read or written.
    #[error("a frame of the stream is not valid")]
    Codec(#[from] CodecError),
    /// The rules of the channel were broken.
    #[error("the channel ends")]
    Channel(#[from] ChannelError),
    /// No heartbeat came in time.
    #[error("the peer is silent")]
    Silent,
    /// The owner of the channel has left.
    #[error("nobody takes the events of the channel")]
    Abandoned,
}

/// The body that a node sends: what is put into its channel, until the other end of that is dropped.
pub(super) struct OutgoingFrames {
    pieces: mpsc::Receiver<Bytes>,
}

/// Makes a body and its feeder.
pub(super) fn outgoing_frames() -> (mpsc::Sender<Bytes>, OutgoingFrames) {
    let (feeder, pieces) = mpsc::channel(OUTGOING_PIECES_MAX);
    (feeder, OutgoingFrames { pieces })
}

impl Body for OutgoingFrames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let piece = self.pieces.poll_recv(context);
        piece.map(|piece| piece.map(|bytes| Ok(BodyFrame::data(bytes))))
    }
}

/// The frames that a node receives.
pub(super) struct IncomingFrames {
    body: Incoming,
    reader: FrameReader,
}

impl IncomingFrames {
    pub(super) fn new(body: Incoming) -> Self {
        IncomingFrames {
            body,
            reader: FrameReader::new(),
        }
    }

    /// The next frame; `None` when the peer has ended the stream. Nothing is lost if the future is dropped.
    pub(super) async fn next<F: DeserializeOwned>(&mut self) -> Result<Option<F>, MeshStreamError> {
        loop {
            if let Some(frame) = self.reader.next_frame()? {
                return Ok(Some(frame));
            }
            match self.body.frame().await {
                Some(Ok(piece)) => {
                    if let Some(bytes) = piece.data_ref() {
                        self.reader.push(bytes);
                    }
                }
                Some(Err(error)) => return Err(MeshStreamError::Connection(error)),
                None => return Ok(None),
            }
        }
    }
}

//! One end of a channel, shared between its owner and the stream that carries it.
//!
//! Owns the lock around the end, and the loop that moves frames. Must not know HTTP, nor how a stream is opened.

use std::time::Duration;

use bytes::Bytes;
use grid::name::LeaderEpoch;
use grid::protocol::{Report, Step};
use grid::time::Time;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::frame_stream::{IncomingFrames, MeshStreamError};
use crate::channel::{
    ChannelError, ConnectionNumber, Frame, LeaderEnd, LeaderEndEvent, NodeEnd, NodeEndEvent,
    SendRefused, encode_frame,
};

/// What the ends of leaders and nodes have in common.
pub(super) trait ChannelEnd: Send + 'static {
    /// The messages that this end sends.
    type Sent: Serialize + Send + 'static;
    /// The messages that this end receives.
    type Received: DeserializeOwned + Send + 'static;
    /// What its owner hears.
    type Event: Send + 'static;

    fn send(&mut self, message: Self::Sent) -> Result<(), SendRefused<Self::Sent>>;
    fn begin_connection(&mut self) -> ConnectionNumber;
    fn end_connection(&mut self, connection: ConnectionNumber);
    fn poll_frame(&mut self, connection: ConnectionNumber, now: Time) -> Option<Frame<Self::Sent>>;
    fn handle_frame(
        &mut self,
        connection: ConnectionNumber,
        frame: Frame<Self::Received>,
        now: Time,
    ) -> Result<Option<Self::Event>, ChannelError>;
    /// The last frame before a connection ends with an error, if the peer is to be told.
    fn farewell(&self, error: &ChannelError) -> Option<Frame<Self::Sent>>;
    /// Whether a newer connection, or a newer leader, has replaced this one.
    fn is_replaced(&self, connection: ConnectionNumber) -> bool;
    fn stall_deadline(&self) -> Option<Time>;
}

impl ChannelEnd for LeaderEnd<Step> {
    type Sent = Step;
    type Received = Report;
    type Event = LeaderEndEvent<Step, Report>;

    fn send(&mut self, step: Step) -> Result<(), SendRefused<Step>> {
        LeaderEnd::send(self, step)
    }

    fn begin_connection(&mut self) -> ConnectionNumber {
        LeaderEnd::begin_connection(self)
    }

    fn end_connection(&mut self, connection: ConnectionNumber) {
        LeaderEnd::end_connection(self, connection);
    }

    fn poll_frame(&mut self, _: ConnectionNumber, now: Time) -> Option<Frame<Step>> {
        LeaderEnd::poll_frame(self, now)
    }

    fn handle_frame(
        &mut self,
        connection: ConnectionNumber,
        frame: Frame<Report>,
        now: Time,
    ) -> Result<Option<Self::Event>, ChannelError> {
        let event = LeaderEnd::handle_frame(self, connection, frame, now)?;
        Ok((event != LeaderEndEvent::Nothing).then_some(event))
    }

    fn farewell(&self, _: &ChannelError) -> Option<Frame<Step>> {
        None
    }

    fn is_replaced(&self, _: ConnectionNumber) -> bool {
        // One task opens the connections of a leader, one after the other.
        false
    }

    fn stall_deadline(&self) -> Option<Time> {
        LeaderEnd::stall_deadline(self)
    }
}

impl ChannelEnd for NodeEnd<Report> {
    type Sent = Report;
    type Received = Step;
    type Event = (LeaderEpoch, Step);

    fn send(&mut self, report: Report) -> Result<(), SendRefused<Report>> {
        NodeEnd::send(self, report)
    }

    fn begin_connection(&mut self) -> ConnectionNumber {
        NodeEnd::begin_connection(self)
    }

    fn end_connection(&mut self, connection: ConnectionNumber) {
        NodeEnd::end_connection(self, connection);
    }

    fn poll_frame(&mut self, connection: ConnectionNumber, now: Time) -> Option<Frame<Report>> {
        NodeEnd::poll_frame(self, connection, now)
    }

    fn handle_frame(
        &mut self,
        connection: ConnectionNumber,
        frame: Frame<Step>,
        now: Time,
    ) -> Result<Option<Self::Event>, ChannelError> {
        match NodeEnd::handle_frame(self, connection, frame, now)? {
            NodeEndEvent::Deliver { epoch, step } => Ok(Some((epoch, step))),
            NodeEndEvent::Connected { .. } | NodeEndEvent::Nothing => Ok(None),
        }
    }

    fn farewell(&self, error: &ChannelError) -> Option<Frame<Report>> {
        matches!(error, ChannelError::LowerEpoch { .. }).then(|| self.refusal())
    }

    fn is_replaced(&self, connection: ConnectionNumber) -> bool {
        NodeEnd::is_replaced(self, connection)
    }

    fn stall_deadline(&self) -> Option<Time> {
        NodeEnd::stall_deadline(self)
    }
}

/// An end behind a lock, which is never held across an await.
pub(super) struct SharedEnd<E: ChannelEnd> {
    end: Mutex<E>,
    /// Rises when there may be something to send, or room for a further message.
    changes: watch::Sender<u64>,
    events: mpsc::Sender<E::Event>,
    start: Instant,
}

impl<E: ChannelEnd> SharedEnd<E> {
    pub(super) fn new(end: E, events: mpsc::Sender<E::Event>) -> Self {
        SharedEnd {
            end: Mutex::new(end),
            changes: watch::Sender::new(0),
            events,
            start: Instant::now(),
        }
    }

    /// Looks at the end, or changes it.
    pub(super) fn with_end<T>(&self, work: impl FnOnce(&mut E) -> T) -> T {
        let result = work(&mut self.end.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Waits for room and puts a message into it. Never returns [`SendRefused::Full`].
    pub(super) async fn send(&self, mut message: E::Sent) -> Result<(), SendRefused<E::Sent>> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            match self.end.lock().send(message) {
                Ok(()) => break,
                Err(SendRefused::Full(refused)) => message = refused,
                Err(refused) => return Err(refused),
            }
            // The sender lives in `self`, so that the wait never fails.
            let _ = changes.changed().await;
        }
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// Moves frames between the end and a stream, until either of them ends.
    pub(super) async fn run_stream(
        &self,
        mut incoming: IncomingFrames,
        outgoing: mpsc::Sender<Bytes>,
    ) -> Result<(), MeshStreamError> {
        let connection = self.with_end(E::begin_connection);
        // The task may be aborted at any await.
        let _guard = ConnectionGuard {
            shared: self,
            connection,
        };
        let result = self.move_frames(connection, &mut incoming, &outgoing).await;
        if let Err(MeshStreamError::Channel(error)) = &result
            && let Some(frame) = self.end.lock().farewell(error)
        {
            let _ = outgoing.try_send(encode_frame(&frame)?);
        }
        result
    }

    async fn move_frames(
        &self,
        connection: ConnectionNumber,
        incoming: &mut IncomingFrames,
        outgoing: &mpsc::Sender<Bytes>,
    ) -> Result<(), MeshStreamError> {
        let mut changes = self.changes.subscribe();
        let mut outbox: Option<Bytes> = None;
        // Room for an event is taken before a frame is read: an event that nobody can take must not be acknowledged.
        let mut room = None;
        loop {
            changes.borrow_and_update();
            let stall = self.fill_outbox(connection, &mut outbox)?;
            tokio::select! {
                permit = outgoing.reserve(), if outbox.is_some() => {
                    let (Ok(permit), Some(frame)) = (permit, outbox.take()) else {
                        return Ok(());
                    };
                    permit.send(frame);
                }
                permit = self.events.reserve(), if room.is_none() => {
                    room = Some(permit.map_err(|_| MeshStreamError::Abandoned)?);
                }
                frame = incoming.next(), if room.is_some() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    let mut end = self.end.lock();
                    if let Some(event) = end.handle_frame(connection, frame, self.now())?
                        && let Some(permit) = room.take()
                    {
                        // Under the lock, so that events of two streams keep their order.
                        permit.send(event);
                    }
                    drop(end);
                    self.changes.send_modify(|count| *count += 1);
                }
                changed = changes.changed() => drop(changed),
                () = sleep_until(stall.unwrap_or_else(far_future)), if stall.is_some() => {
                    return Err(ChannelError::Stalled.into());
                }
            }
        }
    }

    /// Takes the next frame to send, unless one waits already. Returns when the connection counts as stalled.
    fn fill_outbox(
        &self,
        connection: ConnectionNumber,
        outbox: &mut Option<Bytes>,
    ) -> Result<Option<Instant>, MeshStreamError> {
        let mut end = self.end.lock();
        if end.is_replaced(connection) {
            return Err(ChannelError::Replaced.into());
        }
        if outbox.is_none()
            && let Some(frame) = end.poll_frame(connection, self.now())
        {
            *outbox = Some(encode_frame(&frame)?);
        }
        let deadline = end.stall_deadline();
        Ok(deadline.map(|deadline| self.start + deadline.since(Time::ZERO)))
    }
}

/// Tells an end that a connection is over.
struct ConnectionGuard<'a, E: ChannelEnd> {
    shared: &'a SharedEnd<E>,
    connection: ConnectionNumber,
}

impl<E: ChannelEnd> Drop for ConnectionGuard<'_, E> {
    fn drop(&mut self) {
        let connection = self.connection;
        self.shared.with_end(|end| end.end_connection(connection));
    }
}

/// A time that is never reached.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}

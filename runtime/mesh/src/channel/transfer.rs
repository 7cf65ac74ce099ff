//! Numbers and acknowledgements of both directions, as one end of a channel sees them.
//!
//! Owns the queue of messages that are not acknowledged, and the count of received ones. Must not know epochs and
//! incarnations.

use std::collections::VecDeque;
use std::time::Duration;

use grid::name::LeaderEpoch;
use grid::time::Time;
use serde::Serialize;

use super::codec::measure_message;

/// Maximum number of messages that the other end has not acknowledged.
pub const UNACKNOWLEDGED_MAX: usize = 256;
/// Maximum bytes of these messages together. A single message of any allowed size is always taken.
pub const UNACKNOWLEDGED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A connection on which a sent message is not acknowledged for this long is of no use.
pub const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of a connection of one end, from 1. Frames of an earlier connection are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionNumber(pub u64);

/// A message was not taken. It is in the error, to be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefused<T> {
    /// Too many messages are not acknowledged: wait until some are.
    #[error("too many messages are not acknowledged yet")]
    Full(T),
    /// The message is larger than a frame may be. It can never be sent.
    #[error("the message is larger than a frame may be")]
    Oversized(T),
    /// The channel has ended. The message will never be sent.
    #[error("the channel has ended")]
    Ended(T),
}

/// The other end breaks the rules of the channel, or another leader has begun. The connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The connection is not the newest one of this end.
    #[error("a newer connection has replaced this one")]
    Replaced,
    /// A frame came before the `Hello`, or a second `Hello`, or a frame that only the other side sends.
    #[error("a frame out of turn")]
    OutOfTurn,
    /// Messages are missing before this one.
    #[error("message {number} came after message {received}")]
    Gap {
        /// The number of the message.
        number: u64,
        /// The number of the last one before it.
        received: u64,
    },
    /// A message was acknowledged that was never sent.
    #[error("message {acknowledged} was acknowledged, and the last one that was sent is {sent}")]
    NeverSent {
        /// The acknowledged number.
        acknowledged: u64,
        /// The last number that was sent.
        sent: u64,
    },
    /// The frame is of a leader that is no longer one.
    #[error("a leader of epoch {refused} was refused, because epoch {newest} has begun")]
    LowerEpoch {
        /// The epoch of the frame.
        refused: LeaderEpoch,
        /// The newest epoch that the node knows.
        newest: LeaderEpoch,
    },
    /// The frame is of a leader of another epoch than this end's.
    #[error("a frame of epoch {found} on a connection of epoch {expected}")]
    OtherEpoch {
        /// The epoch of the frame.
        found: LeaderEpoch,
        /// The epoch of this end.
        expected: LeaderEpoch,
    },
    /// Nothing that was sent is acknowledged in time.
    #[error("no acknowledgement for {} s", ACKNOWLEDGE_TIMEOUT.as_secs())]
    Stalled,
}

#[derive(Clone, Debug)]
struct QueuedMessage<T> {
    body: T,
    bytes: usize,
}

/// Whether a received message is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageArrival {
    /// The next one in order.
    New,
    /// A repetition.
    Repeated,
}

/// What an end has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outgoing<T> {
    /// A message and its number.
    Message(u64, T),
    /// An acknowledgement alone.
    Acknowledgement,
}

/// Both directions of one end: sends messages of type `S`.
#[derive(Clone, Debug)]
pub(super) struct Transfer<S> {
    /// Messages that are not acknowledged, the oldest first.
    queue: VecDeque<QueuedMessage<S>>,
    queue_bytes: usize,
    /// The number of the last acknowledged message: the first one in the queue has the next number.
    acknowledged: u64,
    /// How many messages of the queue were sent on the present connection.
    sent: usize,
    /// When the last progress was made while something is on its way; `None` if nothing is.
    waiting_since: Option<Time>,
    /// The number of the last message that was received.
    received: u64,
    /// The last number that the other end was told.
    received_told: u64,
}

impl<S: Clone> Transfer<S> {
    pub(super) fn new() -> Self {
        Transfer {
            queue: VecDeque::new(),
            queue_bytes: 0,
            acknowledged: 0,
            sent: 0,
            waiting_since: None,
            received: 0,
            received_told: 0,
        }
    }

    pub(super) fn push(&mut self, body: S) -> Result<(), SendRefused<S>>
    where
        S: Serialize,
    {
        let Ok(bytes) = measure_message(&body) else {
            return Err(SendRefused::Oversized(body));
        };
        let crowded = self.queue_bytes + bytes > UNACKNOWLEDGED_BYTES_MAX && !self.queue.is_empty();
        if crowded || self.queue.len() >= UNACKNOWLEDGED_MAX {
            return Err(SendRefused::Full(body));
        }
        self.queue_bytes += bytes;
        self.queue.push_back(QueuedMessage { body, bytes });
        Ok(())
    }

    pub(super) fn unacknowledged_count(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Nothing is on its way any more: the connection has ended.
    pub(super) fn disconnect(&mut self) {
        self.sent = 0;
        self.waiting_since = None;
    }

    /// Begins on a new connection, behind the last message that the other end has received.
    pub(super) fn resume(&mut self, acknowledged: u64, now: Time) -> Result<(), ChannelError> {
        // Whatever is in the queue may have been sent on an earlier connection.
        self.sent = self.queue.len();
        let resumed = self.acknowledge(acknowledged, now);
        self.disconnect();
        resumed
    }

    /// Takes an acknowledgement. An older one than the last is a repetition.
    pub(super) fn acknowledge(&mut self, number: u64, now: Time) -> Result<(), ChannelError> {
        let sent = self.acknowledged + self.sent as u64;
        if number > sent {
            let acknowledged = number;
            return Err(ChannelError::NeverSent { acknowledged, sent });
        }
        let count = number.saturating_sub(self.acknowledged);
        for _ in 0..count {
            if let Some(done) = self.queue.pop_front() {
                self.queue_bytes -= done.bytes;
                self.sent -= 1;
            }
        }
        self.acknowledged += count;
        if count > 0 {
            self.waiting_since = (self.sent > 0).then_some(now);
        }
        Ok(())
    }

    /// Takes the number of a received message.
    pub(super) fn receive(&mut self, number: u64) -> Result<MessageArrival, ChannelError> {
        let received = self.received;
        if number > received + 1 {
            return Err(ChannelError::Gap { number, received });
        }
        if number <= received {
            // The other end did not know: tell it again.
            self.received_told = self.received_told.min(received.saturating_sub(1));
            return Ok(MessageArrival::Repeated);
        }
        self.received = number;
        Ok(MessageArrival::New)
    }

    /// What is to be sent next on the present connection.
    pub(super) fn poll_outgoing(&mut self, now: Time) -> Option<Outgoing<S>> {
        if let Some(next) = self.queue.get(self.sent) {
            let body = next.body.clone();
            self.sent += 1;
            self.waiting_since.get_or_insert(now);
            self.received_told = self.received;
            let number = self.acknowledged + self.sent as u64;
            return Some(Outgoing::Message(number, body));
        }
        if self.received > self.received_told {
            self.received_told = self.received;
            return Some(Outgoing::Acknowledgement);
        }
        None
    }

    /// When the connection counts as stalled, if nothing is acknowledged until then.
    pub(super) fn stall_deadline(&self) -> Option<Time> {
        self.waiting_since.map(|since| since + ACKNOWLEDGE_TIMEOUT)
    }

    /// Numbers both directions from 1, and keeps the queue, which the new peer gets from its start.
    pub(super) fn restart_numbering(&mut self) {
        self.disconnect();
        self.acknowledged = 0;
        self.received = 0;
        self.received_told = 0;
    }

    /// Empties the queue. Returns the messages that were in it.
    pub(super) fn discard_queue(&mut self) -> Vec<S> {
        self.disconnect();
        self.queue_bytes = 0;
        self.queue.drain(..).map(|message| message.body).collect()
    }
}

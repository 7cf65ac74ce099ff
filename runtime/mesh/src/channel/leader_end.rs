//! The leader's end of a channel: sends steps, receives reports.
//!
//! Owns what follows from the node's frames. Must not know what the steps say.

use grid::name::LeaderEpoch;
use grid::time::Time;
use serde::Serialize;

use super::frame::{Frame, FrameContent};
use super::transfer::{
    ChannelError, ConnectionNumber, MessageArrival, Outgoing, SendRefused, Transfer,
};

/// What follows from a frame of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderEndEvent<S, R> {
    /// The node is connected, and gets the steps that it lacks.
    Connected {
        /// The node's incarnation.
        incarnation: u64,
        /// Steps for an earlier incarnation, which will not be sent.
        discarded: Vec<S>,
    },
    /// The next report.
    Deliver(R),
    /// Another leader has begun. This end is of no more use.
    Superseded {
        /// The epoch of the other leader.
        newest: LeaderEpoch,
    },
    /// Nothing.
    Nothing,
}

/// How far the `Hello`s of the present connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshake {
    /// No connection.
    Disconnected,
    /// A newer leader has begun, or the owner has left: there will be no connection any more.
    Ended,
    /// The own `Hello` is to be sent.
    Begin,
    /// The own `Hello` was sent; the node's has not come.
    Awaiting,
    /// Both have come.
    Connected,
}

/// The leader's end. `S` is the type of steps.
#[derive(Debug)]
pub struct LeaderEnd<S> {
    epoch: LeaderEpoch,
    incarnation: Option<u64>,
    connection: ConnectionNumber,
    handshake: Handshake,
    transfer: Transfer<S>,
}

impl<S: Clone + Serialize> LeaderEnd<S> {
    /// The end of a leader of this epoch, towards one node.
    pub fn new(epoch: LeaderEpoch) -> Self {
        LeaderEnd {
            epoch,
            incarnation: None,
            connection: ConnectionNumber::default(),
            handshake: Handshake::Disconnected,
            transfer: Transfer::new(),
        }
    }

    /// The epoch of the leader.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Takes a step, to be sent on this connection or the next one.
    pub fn send(&mut self, step: S) -> Result<(), SendRefused<S>> {
        if self.has_ended() {
            return Err(SendRefused::Ended(step));
        }
        self.transfer.push(step)
    }

    /// Ends the channel, because its owner leads no more.
    pub fn end(&mut self) {
        self.handshake = Handshake::Ended;
    }

    /// Whether the node has told of a newer leader, or the owner has ended the channel. Nothing is sent any more.
    pub fn has_ended(&self) -> bool {
        self.handshake == Handshake::Ended
    }

    /// The number of steps that the node has not acknowledged.
    pub fn unacknowledged_count(&self) -> usize {
        self.transfer.unacknowledged_count()
    }

    /// A new connection replaces the present one.
    pub fn begin_connection(&mut self) -> ConnectionNumber {
        self.connection.0 += 1;
        if !self.has_ended() {
            self.handshake = Handshake::Begin;
        }
        self.transfer.disconnect();
        self.connection
    }

    /// The connection is over.
    pub fn end_connection(&mut self, connection: ConnectionNumber) {
        if connection == self.connection {
            if !self.has_ended() {
                self.handshake = Handshake::Disconnected;
            }
            self.transfer.disconnect();
        }
    }

    /// Takes a frame of the node. After an error the connection must end; the next one continues.
    pub fn handle_frame<R>(
        &mut self,
        connection: ConnectionNumber,
        frame: Frame<R>,
        now: Time,
    ) -> Result<LeaderEndEvent<S, R>, ChannelError> {
        let over = matches!(self.handshake, Handshake::Disconnected | Handshake::Ended);
        if connection != self.connection || over {
            return Err(ChannelError::Replaced);
        }
        if matches!(frame.content, FrameContent::Refusal) && frame.epoch > self.epoch {
            let newest = frame.epoch;
            self.handshake = Handshake::Ended;
            return Ok(LeaderEndEvent::Superseded { newest });
        }
        if frame.epoch != self.epoch {
            let (found, expected) = (frame.epoch, self.epoch);
            return Err(ChannelError::OtherEpoch { found, expected });
        }
        match (self.handshake, frame.content) {
            (Handshake::Awaiting, FrameContent::Hello { incarnation }) => {
                let incarnation = incarnation.ok_or(ChannelError::OutOfTurn)?;
                self.connect(incarnation, frame.acknowledged, now)
            }
            (Handshake::Connected, FrameContent::Message { number, body }) => {
                self.transfer.acknowledge(frame.acknowledged, now)?;
                Ok(match self.transfer.receive(number)? {
                    MessageArrival::New => LeaderEndEvent::Deliver(body),
                    MessageArrival::Repeated => LeaderEndEvent::Nothing,
                })
            }
            (Handshake::Connected, FrameContent::Acknowledgement) => {
                self.transfer.acknowledge(frame.acknowledged, now)?;
                Ok(LeaderEndEvent::Nothing)
            }
            _ => Err(ChannelError::OutOfTurn),
        }
    }

    fn connect<R>(
        &mut self,
        incarnation: u64,
        acknowledged: u64,
        now: Time,
    ) -> Result<LeaderEndEvent<S, R>, ChannelError> {
        let known = self.incarnation.replace(incarnation);
        let mut discarded = Vec::new();
        if known.is_some_and(|known| known != incarnation) {
            discarded = self.transfer.discard_queue();
            self.transfer.restart_numbering();
        }
        self.transfer.resume(acknowledged, now)?;
        self.handshake = Handshake::Connected;
        Ok(LeaderEndEvent::Connected {
            incarnation,
            discarded,
        })
    }

    /// The next frame to be sent on the present connection.
    pub fn poll_frame(&mut self, now: Time) -> Option<Frame<S>> {
        match self.handshake {
            Handshake::Disconnected | Handshake::Ended | Handshake::Awaiting => None,
            Handshake::Begin => {
                self.handshake = Handshake::Awaiting;
                let incarnation = self.incarnation;
                Some(self.frame(FrameContent::Hello { incarnation }))
            }
            Handshake::Connected => {
                let content = match self.transfer.poll_outgoing(now)? {
                    Outgoing::Message(number, body) => FrameContent::Message { number, body },
                    Outgoing::Acknowledgement => FrameContent::Acknowledgement,
                };
                Some(self.frame(content))
            }
        }
    }

    /// When the connection counts as stalled, if nothing is acknowledged until then.
    pub fn stall_deadline(&self) -> Option<Time> {
        self.transfer.stall_deadline()
    }

    fn frame<T>(&self, content: FrameContent<T>) -> Frame<T> {
        Frame {
            epoch: self.epoch,
            acknowledged: self.transfer.received(),
            content,
        }
    }
}

//! The node's end of a channel: receives steps, sends reports.
//!
//! Owns which leader the node follows. Must not know what the steps say.

use grid::name::LeaderEpoch;
use grid::time::Time;
use serde::Serialize;

use super::frame::{Frame, FrameContent};
use super::transfer::{
    ChannelError, ConnectionNumber, MessageArrival, Outgoing, SendRefused, Transfer,
};

/// What follows from a frame of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEndEvent<S> {
    /// A leader is connected, and gets the reports that it lacks.
    Connected {
        /// Its epoch.
        epoch: LeaderEpoch,
    },
    /// The next step.
    Deliver {
        /// The epoch of the leader that sent it.
        epoch: LeaderEpoch,
        /// The step.
        step: S,
    },
    /// Nothing.
    Nothing,
}

/// The node's end. `R` is the type of reports.
///
/// A leader opens its connection, so more than one connection may be open: an old one of the same leader, or one of a
/// leader that does not know yet that it was replaced. The newest `Hello` that is not refused makes its connection the
/// present one.
#[derive(Debug)]
pub struct NodeEnd<R> {
    incarnation: u64,
    epoch: LeaderEpoch,
    /// The last connection that was opened.
    opened: ConnectionNumber,
    /// The connection of the leader that the node follows.
    connection: Option<ConnectionNumber>,
    hello_due: bool,
    transfer: Transfer<R>,
    refused_count: u64,
}

impl<R: Clone + Serialize> NodeEnd<R> {
    /// The end of a node in this incarnation. `epoch` is the newest one in the node's copy of the ledger.
    pub fn new(incarnation: u64, epoch: LeaderEpoch) -> Self {
        NodeEnd {
            incarnation,
            epoch,
            opened: ConnectionNumber::default(),
            connection: None,
            hello_due: false,
            transfer: Transfer::new(),
            refused_count: 0,
        }
    }

    /// The epoch of the newest leader that the node knows.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// How often a leader of a lower epoch was refused.
    pub fn refused_count(&self) -> u64 {
        self.refused_count
    }

    /// The ledger says that a leader of this epoch has begun. Leaders of lower epochs are refused from now on.
    pub fn observe_epoch(&mut self, epoch: LeaderEpoch) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.connection = None;
            self.hello_due = false;
            self.transfer.restart_numbering();
        }
    }

    /// Whether a step that was delivered may still be acted on. Counts it as refused if a newer leader has begun since.
    pub fn admit_step(&mut self, epoch: LeaderEpoch) -> bool {
        let admitted = epoch >= self.epoch;
        self.refused_count += u64::from(!admitted);
        admitted
    }

    /// Takes a report, to be sent on this connection or the next one, to whoever leads then.
    pub fn send(&mut self, report: R) -> Result<(), SendRefused<R>> {
        self.transfer.push(report)
    }

    /// The number of reports that no leader has acknowledged.
    pub fn unacknowledged_count(&self) -> usize {
        self.transfer.unacknowledged_count()
    }

    /// A leader opened a connection. The present connection stays until the new one's `Hello`.
    pub fn begin_connection(&mut self) -> ConnectionNumber {
        self.opened.0 += 1;
        self.opened
    }

    /// The connection is over.
    pub fn end_connection(&mut self, connection: ConnectionNumber) {
        if self.connection == Some(connection) {
            self.connection = None;
            self.hello_due = false;
            self.transfer.disconnect();
        }
    }

    /// Takes a frame of a leader. After an error the connection must end; for [`ChannelError::LowerEpoch`], after
    /// [`NodeEnd::refusal`] was sent on it.
    pub fn handle_frame<S>(
        &mut self,
        connection: ConnectionNumber,
        frame: Frame<S>,
        now: Time,
    ) -> Result<NodeEndEvent<S>, ChannelError> {
        if frame.epoch < self.epoch {
            self.refused_count += 1;
            return Err(ChannelError::LowerEpoch {
                refused: frame.epoch,
                newest: self.epoch,
            });
        }
        if let FrameContent::Hello { incarnation } = frame.content {
            return self.connect(
                connection,
                frame.epoch,
                incarnation,
                frame.acknowledged,
                now,
            );
        }
        if self.connection != Some(connection) {
            return Err(ChannelError::Replaced);
        }
        if frame.epoch != self.epoch {
            let (found, expected) = (frame.epoch, self.epoch);
            return Err(ChannelError::OtherEpoch { found, expected });
        }
        match frame.content {
            FrameContent::Message { number, body } => {
                self.transfer.acknowledge(frame.acknowledged, now)?;
                Ok(match self.transfer.receive(number)? {
                    MessageArrival::New => NodeEndEvent::Deliver {
                        epoch: self.epoch,
                        step: body,
                    },
                    MessageArrival::Repeated => NodeEndEvent::Nothing,
                })
            }
            FrameContent::Acknowledgement => {
                self.transfer.acknowledge(frame.acknowledged, now)?;
                Ok(NodeEndEvent::Nothing)
            }
            FrameContent::Hello { .. } | FrameContent::Refusal => Err(ChannelError::OutOfTurn),
        }
    }

    fn connect<S>(
        &mut self,
        connection: ConnectionNumber,
        epoch: LeaderEpoch,
        incarnation: Option<u64>,
        acknowledged: u64,
        now: Time,
    ) -> Result<NodeEndEvent<S>, ChannelError> {
        if self.connection >= Some(connection) {
            let again = self.connection == Some(connection);
            return Err(if again {
                ChannelError::OutOfTurn
            } else {
                ChannelError::Replaced
            });
        }
        self.observe_epoch(epoch);
        if incarnation == Some(self.incarnation) {
            self.transfer.resume(acknowledged, now)?;
        } else {
            // What the leader received from another incarnation says nothing about this one.
            self.transfer.restart_numbering();
        }
        self.connection = Some(connection);
        self.hello_due = true;
        Ok(NodeEndEvent::Connected { epoch })
    }

    /// The next frame to be sent on a connection: none, unless it is the present one.
    pub fn poll_frame(&mut self, connection: ConnectionNumber, now: Time) -> Option<Frame<R>> {
        if self.connection != Some(connection) {
            return None;
        }
        if std::mem::take(&mut self.hello_due) {
            let incarnation = Some(self.incarnation);
            return Some(self.frame(FrameContent::Hello { incarnation }));
        }
        let content = match self.transfer.poll_outgoing(now)? {
            Outgoing::Message(number, body) => FrameContent::Message { number, body },
            Outgoing::Acknowledgement => FrameContent::Acknowledgement,
        };
        Some(self.frame(content))
    }

    /// The frame that tells a leader of a lower epoch that it was replaced.
    pub fn refusal(&self) -> Frame<R> {
        Frame {
            epoch: self.epoch,
            acknowledged: 0,
            content: FrameContent::Refusal,
        }
    }

    /// Whether a later connection has replaced this one.
    pub fn is_replaced(&self, connection: ConnectionNumber) -> bool {
        self.connection.is_some_and(|present| present > connection)
    }

    /// When the present connection counts as stalled, if nothing is acknowledged until then.
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

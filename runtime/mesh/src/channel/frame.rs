//! The frames of a channel.
//!
//! Owns their shape. Must not know their encoding, nor when a frame is sent.

use grid::name::LeaderEpoch;
use serde::{Deserialize, Serialize};

/// One frame, with a message of type `T` in it or without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame<T> {
    /// The epoch of the leader. Both directions carry it, so that neither end acts on a frame of another leader.
    pub epoch: LeaderEpoch,
    /// The number of the last message that the sender has received; 0 if none.
    pub acknowledged: u64,
    /// What the frame is for.
    pub content: FrameContent<T>,
}

/// What a [`Frame`] is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum FrameContent<T> {
    /// The first frame of each end on a connection. `acknowledged` says where the other end continues.
    Hello {
        /// From a node: its incarnation. From a leader: the incarnation whose messages it has received, if any.
        incarnation: Option<u64>,
    },
    /// A step or a report.
    Message {
        /// Its number, from 1.
        number: u64,
        /// The step or report.
        body: T,
    },
    /// Nothing but the acknowledgement.
    Acknowledgement,
    /// The node knows a newer leader. `epoch` is the newer one's.
    Refusal,
}

//! The ordered, acknowledged channel between a leader and a node, as a pure state machine.
//!
//! Owns numbering, acknowledgement, what is sent again on a new connection, epochs and incarnations, and the form of
//! frames. Must not know sockets, clocks and tasks: frames and times are arguments, and frames are results.
//!
//! Steps go from the leader's end ([`LeaderEnd`]) to the node's end ([`NodeEnd`]), and reports go back. Each direction
//! numbers its messages from 1. A connection begins with a `Hello` of the leader, which the node answers with its own:
//! each says how many messages its sender has received, and each end then sends again what the other one lacks.
//!
//! | what happens | what follows |
//! |---|---|
//! | the connection breaks | the next one continues: each message is delivered once, in order |
//! | the node starts again (another incarnation) | steps for the earlier incarnation are discarded, because they were planned for a node that had other dynos; both directions are numbered from 1 |
//! | another leader begins (a higher epoch) | both directions are numbered from 1; reports that no leader has acknowledged go to the new one |
//! | a leader of a lower epoch sends anything | the node refuses it, names the newer epoch, and counts it |
//!
//! A message counts as received when it was delivered to the owner of the end, so a node that dies with a delivered
//! step is a node that has begun it.

mod codec;
mod frame;
mod leader_end;
mod node_end;
mod transfer;

pub use codec::{CodecError, FRAME_BYTES_MAX, FrameReader, encode_frame};
pub use frame::{Frame, FrameContent};
pub use leader_end::{LeaderEnd, LeaderEndEvent};
pub use node_end::{NodeEnd, NodeEndEvent};
pub use transfer::{
    ACKNOWLEDGE_TIMEOUT, ChannelError, ConnectionNumber, SendRefused, UNACKNOWLEDGED_BYTES_MAX,
    UNACKNOWLEDGED_MAX,
};

#[cfg(test)]
mod tests;

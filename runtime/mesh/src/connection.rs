//! Control connections: HTTP/2 over mutual TLS between every two nodes.
//!
//! Owns the listener, the diallers, the heartbeats, and the streams that carry channels. Must not know what a step does,
//! nor who leads.
//!
//! Every node dials every other one, so that a node that was added later is heard before its bundle is known anywhere.
//! Each opened connection has a stream of heartbeats, one a second in both directions, and ends after
//! [`SILENCE_MAX`] without one. A leader opens a stream for its channel on the connection that it has to a node.
//!
//! | request | streams |
//! |---|---|
//! | `POST /mesh/heartbeats` | heartbeats, both ways |
//! | `POST /mesh/channel` | frames of a channel: steps in the request, reports in the response |
//!
//! | task | owner |
//! |---|---|
//! | listener, which owns one task for each accepted connection, which owns one for each of its streams | [`MeshNode`] |
//! | one dialler for each peer, which polls the connection and its heartbeats | [`MeshNode`] |
//! | one for each channel of a leader | [`StepChannel`] |
//!
//! Channels between tasks are bounded. When the owner of a channel does not take its events, the stream is not read, and
//! HTTP/2 tells the other end to wait.

mod back_off;
mod dialler;
mod frame_stream;
mod heartbeat;
mod limits;
mod listener;
mod mesh_node;
mod peer_table;
mod shared_end;
mod step_channel;

pub use limits::{
    CONNECTION_WINDOW_BYTES, HEADER_LIST_BYTES_MAX, HEARTBEAT_INTERVAL, SILENCE_MAX,
    STREAM_WINDOW_BYTES, STREAMS_MAX,
};
pub use mesh_node::{
    MeshNode, MeshOptions, MeshPeer, MeshStartError, OversizedReport, StepReceiver,
};
pub use peer_table::{PeerRecord, PeerTable};
pub use step_channel::{StepChannel, StepChannelEvent, StepSendError, StepSender};

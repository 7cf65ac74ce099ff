//! Heartbeats over one stream.
//!
//! Owns their content and rhythm. Must not know which side opened the stream.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use grid::name::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::frame_stream::{IncomingFrames, MeshStreamError};
use super::limits::{HEARTBEAT_INTERVAL, SILENCE_MAX};
use super::peer_table::PeerTable;
use crate::channel::encode_frame;

/// What a node says of itself each second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heartbeat {
    /// Rises with each start of the node's program.
    pub(super) incarnation: u64,
    /// The sender's clock: milliseconds since 1970. Only compared, never used as a time.
    clock_millis: u64,
}

impl Heartbeat {
    /// A heartbeat of now.
    pub(super) fn new(incarnation: u64) -> Self {
        Heartbeat {
            incarnation,
            clock_millis: read_clock_millis(),
        }
    }

    /// How far the sender's clock is ahead of this machine's.
    pub(super) fn clock_ahead_millis(&self) -> i64 {
        let signed = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
        signed(self.clock_millis).saturating_sub(signed(read_clock_millis()))
    }
}

fn read_clock_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or(Duration::ZERO).as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// Sends heartbeats and records those of the peer, until the stream ends or the peer is silent.
pub(super) async fn exchange_heartbeats(
    peer: &NodeId,
    incarnation: u64,
    table: &PeerTable,
    mut incoming: IncomingFrames,
    outgoing: mpsc::Sender<Bytes>,
) -> Result<(), MeshStreamError> {
    let mut rhythm = interval(HEARTBEAT_INTERVAL);
    rhythm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deadline = Instant::now() + SILENCE_MAX;
    loop {
        tokio::select! {
            _ = rhythm.tick() => {
                let frame = encode_frame(&Heartbeat::new(incarnation))?;
                // A connection that takes no heartbeat has enough of them on their way.
                if let Err(mpsc::error::TrySendError::Closed(_)) = outgoing.try_send(frame) {
                    return Ok(());
                }
            }
            heartbeat = incoming.next() => match heartbeat? {
                Some(heartbeat) => {
                    table.record_heartbeat(peer, &heartbeat);
                    deadline = Instant::now() + SILENCE_MAX;
                }
                None => return Ok(()),
            },
            () = sleep_until(deadline) => return Err(MeshStreamError::Silent),
        }
    }
}

//! The tasks that watch the last entry of the stream.
//!
//! Owns that the last entry is known soon after it is stored, and after some seconds in any case. Must not know
//! entries.
//!
//! The stream's leader announces each stored entry. After a leader was killed, announcements may be missing for up to
//! 12 seconds, and others get lost with a connection. So the leader is also asked, at intervals and after each new
//! connection.

use super::fetch;
use super::message;
use crate::ledger::sequence::Seq;
use async_nats::Subscriber;
use async_nats::jetstream::context::Context;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two questions for the last entry.
const ASK_INTERVAL: Duration = Duration::from_secs(2);

/// Raises the watched place; never lowers it.
pub(super) fn raise(last: &watch::Sender<Seq>, at: Seq) {
    last.send_if_modified(|known| {
        let raised = at > *known;
        *known = at.max(*known);
        raised
    });
}

/// Takes announcements of stored entries, until the connection is closed for good.
pub(super) async fn take_announcements(mut stored: Subscriber, last: Arc<watch::Sender<Seq>>) {
    while let Some(announcement) = stored.next().await {
        if let Some(at) = message::announced_place(announcement.headers.as_ref()) {
            raise(&last, at);
        }
    }
}

/// Asks for the last entry at intervals, and after each new connection. Never ends by itself.
pub(super) async fn ask_at_intervals(
    context: Context,
    connected: Arc<Notify>,
    last: Arc<watch::Sender<Seq>>,
) {
    let mut ticks = interval(ASK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = connected.notified() => {}
        }
        // After an error the next question tells.
        if let Ok(at) = fetch::ask_last_place(&context).await {
            raise(&last, at);
        }
    }
}

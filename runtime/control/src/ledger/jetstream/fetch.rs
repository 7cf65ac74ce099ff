//! Reads of the stream, all answered by the server that leads it.
//!
//! Owns that a read has no gap and ends only at the last entry. Must not know keys.
//!
//! Each entry is asked for by its sequence number. So a change of the leader in the middle of a read can fail the
//! read, but cannot change its order or leave out an entry.

use super::JetStreamLedger;
use super::message::{self, STREAM_NAME};
use super::request::{self, JetStreamError};
use crate::ledger::error::ReadError;
use crate::ledger::sealed::{self, SealedEntry};
use crate::ledger::sequence::Seq;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::{Info, RawMessageErrorKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Number of entries that are asked for at a time. With the largest entries this is 45 MB of answers, less than the
/// 64 MB that a server holds back for a client.
const REQUESTS_AT_ONCE: usize = 32;
/// Time for the answer with the last place. Nobody answers while the stream has no leader, so this is how late a new leader
/// may be noticed.
const LAST_PLACE_TIMEOUT: Duration = Duration::from_secs(2);

impl JetStreamLedger {
    /// Reads at most `limit` entries after `after`, and none after `last`.
    pub(super) async fn fetch_range(
        &self,
        after: Seq,
        limit: usize,
        last: Seq,
    ) -> Result<Vec<SealedEntry>, ReadError> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let end = after.0.saturating_add(limit).min(last.0);
        let requests = (after.0.saturating_add(1)..=end).map(|place| self.fetch_entry(Seq(place)));
        let entries = stream::iter(requests).buffered(REQUESTS_AT_ONCE);
        let entries: Vec<SealedEntry> = entries.try_collect().await?;
        sealed::check_places(after, &entries)?;
        Ok(entries)
    }

    /// Asks the stream's leader for the place of the last entry, and tells the watchers.
    pub(super) async fn last_on_stream(&self) -> Result<Seq, ReadError> {
        let last = ask_last_place(&self.context).await.map_err(unavailable)?;
        super::watcher::raise(&self.last, last);
        Ok(last)
    }

    async fn fetch_entry(&self, at: Seq) -> Result<SealedEntry, ReadError> {
        let message = self.stream.get_raw_message(at.0).await;
        let message = message.map_err(|error| match error.kind() {
            RawMessageErrorKind::NoMessageFound => ReadError::Missing { at },
            RawMessageErrorKind::JetStream(refusal) => unavailable(JetStreamError::Refused {
                code: refusal.error_code().0,
                description: refusal.to_string(),
            }),
            _ => unavailable(JetStreamError::Other(Box::new(error))),
        })?;
        // A message without an id was not written by a ledger, and has no seal for this place.
        message::entry_of(message).ok_or(ReadError::Sealed { at })
    }
}

/// Asks for the state and the settings of the stream.
pub(super) async fn ask_stream_info(context: &Context) -> Result<Info, JetStreamError> {
    let subject = format!("STREAM.INFO.{STREAM_NAME}");
    request::request_api(context, subject, &json!({})).await
}

/// Asks the stream's leader for the place of the last entry.
pub(super) async fn ask_last_place(context: &Context) -> Result<Seq, JetStreamError> {
    let info = timeout(LAST_PLACE_TIMEOUT, ask_stream_info(context)).await;
    let info = info.map_err(|_| JetStreamError::TimedOut)??;
    Ok(Seq(info.state.last_sequence))
}

fn unavailable(error: JetStreamError) -> ReadError {
    ReadError::Unavailable(Arc::new(error))
}

//! Appends to the stream.
//!
//! Owns what each answer of the engine, and each missing one, means for an append. Must not know keys.

use super::JetStreamLedger;
use super::message::{self, ENTRY_SUBJECT, STREAM_NAME};
use super::request::{self, JetStreamError};
use super::watcher;
use crate::ledger::entry::EntryId;
use crate::ledger::error::AppendError;
use crate::ledger::sealed::SealedEntry;
use crate::ledger::sequence::Seq;
use async_nats::client::Request;
use async_nats::connection::State;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Time after which an append without an answer is ambiguous.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for which an answer may still come after the connection was lost: it may be on its way already.
const LOST_CONNECTION_GRACE: Duration = Duration::from_millis(200);
/// Time for which an entry is sent again while the stream has no leader, and the pause in between: a leader that is stopped
/// in order has a successor within a second, and a new stream is not known to all servers at once. An election after a
/// leader's death takes longer than anybody should wait here.
const NO_LEADER_PATIENCE: Duration = Duration::from_secs(1);
const NO_LEADER_PAUSE: Duration = Duration::from_millis(50);
/// Number of entries of a copy that are sent before the first of them is acknowledged. With the largest entries this is
/// 64 MB.
const APPENDS_AT_ONCE: usize = 64;
/// Time in which the entry that took a place is looked for, and the pause in between.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(5);
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);

/// The place is taken, but no entry can be read there.
#[derive(Debug, thiserror::Error)]
#[error("the engine refused an entry because of another one, which cannot be read yet")]
struct ConflictNotFound;

/// The answer is for another stream or place, which contradicts the request.
#[derive(Debug, thiserror::Error)]
#[error("the engine stored an entry at place {at} of stream {stream}, which it was not asked for")]
struct UnexpectedAck {
    at: Seq,
    stream: String,
}

/// What an error means for an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PublishFailure {
    /// The place is taken, or is about to be.
    Conflict,
    /// Nothing was written.
    NotWritten,
    /// The entry may have been written, and may still appear.
    Unknown,
}

impl JetStreamLedger {
    /// Appends a sealed entry after `after`.
    pub(super) async fn publish(&self, after: Seq, entry: SealedEntry) -> Result<Seq, AppendError> {
        let (id, sealed) = (entry.id, Bytes::from(entry.sealed));
        let deadline = Instant::now() + NO_LEADER_PATIENCE;
        let error = loop {
            match self.request_publish(after, id, sealed.clone()).await {
                Ok(ack) => return self.check_ack(after, ack),
                // Nobody has the entry, so it can be sent again.
                Err(JetStreamError::NoResponders) if Instant::now() < deadline => {
                    sleep(NO_LEADER_PAUSE).await;
                }
                Err(error) => break error,
            }
        };
        Err(match classify(&error) {
            PublishFailure::Conflict => self.describe_conflict(after).await,
            PublishFailure::NotWritten => AppendError::Unavailable(Arc::new(error)),
            PublishFailure::Unknown => AppendError::Ambiguous(Arc::new(error)),
        })
    }

    fn check_ack(&self, after: Seq, ack: PublishAck) -> Result<Seq, AppendError> {
        let at = Seq(ack.sequence);
        if ack.stream != STREAM_NAME || at != after.next() {
            let stream = ack.stream;
            return Err(AppendError::Ambiguous(Arc::new(UnexpectedAck {
                at,
                stream,
            })));
        }
        watcher::raise(&self.last, at);
        Ok(at)
    }

    /// Appends sealed entries, several at a time. Each names the place before it, so none takes another's place.
    pub(super) async fn publish_all(
        &self,
        after: Seq,
        entries: Vec<SealedEntry>,
    ) -> Result<Seq, AppendError> {
        let appends = entries.into_iter().map(|entry| {
            let before = entry.at.previous().unwrap_or_default();
            self.publish(before, entry)
        });
        let appends = stream::iter(appends).buffered(APPENDS_AT_ONCE);
        appends.try_fold(after, |_, at| async move { Ok(at) }).await
    }

    /// Sends an entry, and waits for the answer.
    async fn request_publish(
        &self,
        after: Seq,
        id: EntryId,
        sealed: Bytes,
    ) -> Result<PublishAck, JetStreamError> {
        let mut lost_connections = self.lost_connections.clone();
        lost_connections.mark_unchanged();
        // Without a connection the client would keep the request, and send it later.
        if self.client.connection_state() != State::Connected {
            return Err(JetStreamError::NotConnected);
        }
        let request = Request::new()
            .headers(message::entry_headers(after, id))
            .payload(sealed)
            .timeout(None);
        let answer = self.client.send_request(ENTRY_SUBJECT, request);
        let connection_lost = async {
            // An error means that the client has ended, and its connection with it.
            let _ = lost_connections.changed().await;
            sleep(LOST_CONNECTION_GRACE).await;
        };
        let answer = tokio::select! {
            answer = timeout(ANSWER_TIMEOUT, answer) => answer.map_err(|_| JetStreamError::TimedOut)??,
            () = connection_lost => return Err(JetStreamError::ConnectionLost),
        };
        request::parse_answer(&answer.payload)
    }

    /// Finds out which entry took the place. A leader refuses an append also while another one for the same place is not
    /// stored yet, and that one may be lost with the leader. One that has been cut off from the other servers refuses
    /// appends for places that it does not know. So a conflict is told only when the other entry can be read, or when
    /// the writer names a place that nobody has seen.
    async fn describe_conflict(&self, after: Seq) -> AppendError {
        let known = *self.last.borrow();
        let deadline = Instant::now() + CONFLICT_PATIENCE;
        while Instant::now() < deadline {
            if let Ok(actual) = self.last_on_stream().await
                && (actual > after || (actual < after && known < after))
            {
                return AppendError::Conflict {
                    expected: after,
                    actual,
                };
            }
            sleep(CONFLICT_PAUSE).await;
        }
        AppendError::Unavailable(Arc::new(ConflictNotFound))
    }
}

/// Tells what an error means for the entry that was sent. Most codes leave the outcome open: a leader may answer that it
/// could not store an entry, for example on a full disk, which the other servers have stored.
fn classify(error: &JetStreamError) -> PublishFailure {
    const NEVER_STORED: [ErrorCode; 9] = [
        ErrorCode::CLUSTER_NOT_AVAILABLE,
        ErrorCode::JETSTREAM_NOT_ENABLED,
        ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
        ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM,
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM,
        ErrorCode::STREAM_NOT_FOUND,
        ErrorCode::STREAM_NOT_MATCH,
        ErrorCode::STREAM_SEALED,
        ErrorCode::STREAM_TOO_MANY_REQUESTS,
    ];
    match error {
        JetStreamError::NotConnected | JetStreamError::NoResponders | JetStreamError::TooLarge => {
            PublishFailure::NotWritten
        }
        JetStreamError::ConnectionLost | JetStreamError::TimedOut | JetStreamError::Other(_) => {
            PublishFailure::Unknown
        }
        JetStreamError::Refused { .. } => match error.code() {
            Some(
                ErrorCode::STREAM_WRONG_LAST_SEQUENCE
                | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
            ) => PublishFailure::Conflict,
            Some(code) if NEVER_STORED.contains(&code) => PublishFailure::NotWritten,
            _ => PublishFailure::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify_code(code: u64) -> PublishFailure {
        classify(&JetStreamError::Refused {
            code,
            description: String::new(),
        })
    }

    /// 10164 is the answer to a lost race for one subject's last sequence while another append is on its way.
    #[test]
    fn both_codes_of_a_lost_race_are_conflicts() {
        assert_eq!(classify_code(10_071), PublishFailure::Conflict);
        assert_eq!(classify_code(10_164), PublishFailure::Conflict);
    }

    #[test]
    fn refusals_of_every_server_have_written_nothing() {
        for code in [10_008, 10_054, 10_060, 10_109, 10_167] {
            assert_eq!(classify_code(code), PublishFailure::NotWritten, "{code}");
        }
        for error in [JetStreamError::NotConnected, JetStreamError::NoResponders] {
            assert_eq!(classify(&error), PublishFailure::NotWritten);
        }
    }

    /// 10023 and 10077 say that the leader could not store an entry which the other servers may have stored.
    #[test]
    fn all_other_errors_leave_the_outcome_open() {
        for code in [0, 10_023, 10_077, 10_158, 99_999] {
            assert_eq!(classify_code(code), PublishFailure::Unknown, "{code}");
        }
        for error in [JetStreamError::ConnectionLost, JetStreamError::TimedOut] {
            assert_eq!(classify(&error), PublishFailure::Unknown);
        }
    }
}

//! A ledger in one stream of NATS JetStream, for many machines.
//!
//! Owns the connection to the engine, which is one or several NATS servers, and the two tasks that watch the stream. Must
//! not know the meaning of an entry, nor who runs the engine.
//!
//! One entry is one message, and the place of an entry is the sequence number of its message. An append names the last
//! sequence number that its writer has read, so one of several writers wins each place. An entry is on the disks of
//! most servers when an append returns, provided that the servers run with `sync_interval: always`.
//!
//! All reads are answered by the server that leads the stream. A leader that is cut off from the other servers may
//! answer reads for some seconds after another server was elected. Such an answer is refused where this ledger has seen
//! later entries already; where it has not, the read lags. An append never relies on a read: the stream itself decides
//! whether an entry takes its place.
//!
//! | module | what |
//! |---|---|
//! | `open` | connection, checks of server and stream, creation of the stream |
//! | `settings` | the settings of the stream |
//! | `servers` | checks of all servers, with a login of the system account |
//! | `request` | requests, and the kinds of errors |
//! | `publish` | appends, and what an error of the engine means for an append |
//! | `fetch` | reads |
//! | `watcher` | the tasks that watch the last entry |
//! | `message` | an entry as a message |

mod error;
mod fetch;
mod message;
mod open;
mod options;
mod publish;
mod request;
mod servers;
mod settings;
mod version;
mod watcher;

pub use error::{CopyCheckError, JetStreamOpenError};
pub use options::{JetStreamLogin, JetStreamOptions, JetStreamTls, MissingStream};
pub use settings::StreamSettingError;
pub use version::JetStreamVersion;

use super::contract::Ledger;
use super::entry::{EntryId, LedgerEntry};
use super::error::{AppendError, ReadError};
use super::sealed::{self, SealedEntry, SealedStore};
use super::sequence::Seq;
use crate::seal::{SealKey, Sealer};
use async_nats::Client;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::Stream;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A ledger in a stream of NATS JetStream. Dropping this closes the connection and ends its tasks.
#[derive(Debug)]
pub struct JetStreamLedger {
    client: Client,
    context: Context,
    stream: Stream<()>,
    sealer: Sealer,
    last: Arc<watch::Sender<Seq>>,
    /// Counts the connections that were lost.
    lost_connections: watch::Receiver<u64>,
    /// The tasks that watch the stream, which end with this value.
    _watchers: JoinSet<()>,
}

/// The answer is older than what is known, or the stream has lost entries.
#[derive(Debug, thiserror::Error)]
#[error("the engine answers with {last} entries, but {known} were there before")]
struct OldAnswer {
    last: Seq,
    known: Seq,
}

impl JetStreamLedger {
    /// Connects to the engine, and opens the ledger in its stream. Waits for an engine that has just started.
    pub async fn open(
        options: &JetStreamOptions,
        key: &SealKey,
    ) -> Result<Self, JetStreamOpenError> {
        open::open_ledger(options, key).await
    }

    /// Compares the stream with a copy of the ledger whose last entry is `copy_id` at `copy_last`. Refuses a stream
    /// that is shorter than the copy, or that has another entry at that place: such a stream has lost entries, and
    /// must not be written or followed.
    pub async fn check_against_copy(
        &self,
        copy_last: Seq,
        copy_id: EntryId,
    ) -> Result<(), CopyCheckError> {
        let Some(before) = copy_last.previous() else {
            return Ok(());
        };
        let found = self.read_sealed(before, 1).await?;
        match found.first() {
            Some(entry) if entry.id == copy_id => Ok(()),
            Some(_) => Err(CopyCheckError::Differs { at: copy_last }),
            None => Err(CopyCheckError::Shorter {
                stream: self.last_place().await?,
                copy: copy_last,
            }),
        }
    }

    async fn append(&self, after: Seq, entry: &LedgerEntry) -> Result<Seq, AppendError> {
        let sealed = sealed::seal_entry(&self.sealer, after.next(), entry)?;
        self.publish(after, sealed).await
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<(Seq, LedgerEntry)>, ReadError> {
        let known = *self.last.borrow();
        let last = self.last_on_stream().await?;
        if last < known {
            return Err(ReadError::Unavailable(Arc::new(OldAnswer { last, known })));
        }
        let entries = self.fetch_range(after, limit, last).await?;
        sealed::open_entries(&self.sealer, after, &entries)
    }
}

impl Ledger for JetStreamLedger {
    fn append<'a>(
        &'a self,
        after: Seq,
        entry: &'a LedgerEntry,
    ) -> BoxFuture<'a, Result<Seq, AppendError>> {
        self.append(after, entry).boxed()
    }

    fn read(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Seq, LedgerEntry)>, ReadError>> {
        self.read(after, limit).boxed()
    }

    /// Never goes back, not even if the stream does.
    fn watch(&self) -> watch::Receiver<Seq> {
        self.last.subscribe()
    }
}

impl SealedStore for JetStreamLedger {
    fn last_place(&self) -> BoxFuture<'_, Result<Seq, ReadError>> {
        self.last_on_stream().boxed()
    }

    fn read_sealed(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SealedEntry>, ReadError>> {
        let read = async move {
            let last = self.last_on_stream().await?;
            self.fetch_range(after, limit, last).await
        };
        read.boxed()
    }

    fn append_sealed(
        &self,
        after: Seq,
        entries: Vec<SealedEntry>,
    ) -> BoxFuture<'_, Result<Seq, AppendError>> {
        self.publish_all(after, entries).boxed()
    }

    fn can_open(&self, entry: &SealedEntry) -> bool {
        let SealedEntry { at, id, sealed } = entry;
        self.sealer.open(at.0, id.bytes(), sealed).is_some()
    }
}

//! A ledger in one SQLite file, for one machine.
//!
//! Owns the file and the one thread that uses it. Must not know the meaning of an entry.
//!
//! An entry is on the disk when an append returns: the write-ahead log is synced at every commit. Entries are
//! sealed as a whole; the file only reveals their number and sizes.

mod file;

pub use file::LedgerOpenError;

use super::contract::Ledger;
use super::entry::LedgerEntry;
use super::error::{AppendError, LedgerCause, ReadError};
use super::sequence::Seq;
use crate::seal::{SealKey, Sealer};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot, watch};

/// Maximum number of queued jobs. A caller with a further job waits.
const JOBS_MAX: usize = 64;
/// The name of the ledger, to which the seals of entries are bound.
const NAME: &str = "dyno control";

type LedgerJob = Box<dyn FnOnce(&mut Connection) + Send>;

/// A ledger in an SQLite file. Dropping this waits for queued jobs and closes the file.
#[derive(Debug)]
pub struct SqliteLedger {
    sealer: Arc<Sealer>,
    last: Arc<watch::Sender<Seq>>,
    /// `None` only during the drop.
    jobs: Option<mpsc::Sender<LedgerJob>>,
    thread: Option<JoinHandle<()>>,
}

/// A job was not run, or did not finish.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's thread gave up")]
struct LedgerThreadEnded;

impl SqliteLedger {
    /// Opens the ledger in the file `database`, sealed with the key in `key_file`. Blocks on the disk.
    ///
    /// Creates both files if there is no ledger yet. Their folders must exist. An existing ledger needs the key
    /// that it was created with.
    pub fn open(database: &Path, key_file: &Path) -> Result<Self, LedgerOpenError> {
        let key = if database.exists() {
            SealKey::load(key_file)?
        } else {
            SealKey::load_or_create(key_file)?
        };
        let (mut connection, last) = file::open(database)?;
        let (jobs, mut queue) = mpsc::channel::<LedgerJob>(JOBS_MAX);
        let thread = std::thread::Builder::new().name("ledger".into());
        let thread = thread
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    // A job that panics rolls its transaction back, and its caller learns that the outcome is
                    // unknown. The next job finds the file in a consistent state.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
                }
            })
            .map_err(|source| LedgerOpenError::Io {
                path: database.to_owned(),
                source,
            })?;
        Ok(SqliteLedger {
            sealer: Arc::new(Sealer::new(&key, NAME)),
            last: Arc::new(watch::channel(last).0),
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Queues a job for the thread. After an error the job was not started.
    async fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, LedgerThreadEnded> {
        let (reply, answer) = oneshot::channel();
        let job: LedgerJob = Box::new(move |connection| {
            // The requester may have stopped waiting.
            let _ = reply.send(job(connection));
        });
        let jobs = self.jobs.as_ref().ok_or(LedgerThreadEnded)?;
        jobs.send(job).await.map_err(|_| LedgerThreadEnded)?;
        Ok(answer)
    }

    async fn append(&self, after: Seq, entry: &LedgerEntry) -> Result<Seq, AppendError> {
        let (at, id) = (after.next(), entry.id);
        let sealed = self.sealer.seal(at.0, id.bytes(), &entry.encode()?);
        let sealed = sealed.ok_or(AppendError::TooLarge { bytes: usize::MAX })?;
        let last = Arc::clone(&self.last);
        let answer = self.begin(move |connection| {
            let appended = file::append(connection, after, id, &sealed);
            if appended.is_ok() {
                last.send_replace(at);
            }
            appended
        });
        let answer = answer
            .await
            .map_err(|ended| AppendError::Unavailable(Arc::new(ended)))?;
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Ambiguous(Arc::new(LedgerThreadEnded))))
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<(Seq, LedgerEntry)>, ReadError> {
        let sealer = Arc::clone(&self.sealer);
        let gone = || ReadError::Unavailable(Arc::new(LedgerThreadEnded));
        let answer = self.begin(move |connection| {
            let rows = file::read(connection, after, limit)
                .map_err(|source| ReadError::Unavailable(Arc::new(source)))?;
            opened(&sealer, after, rows)
        });
        let answer = answer.await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Opens the entries in these rows, which must follow `after` without a gap.
fn opened(
    sealer: &Sealer,
    after: Seq,
    rows: Vec<file::SealedRow>,
) -> Result<Vec<(Seq, LedgerEntry)>, ReadError> {
    let mut entries = Vec::with_capacity(rows.len());
    let mut expected = after.next();
    for row in rows {
        let at = Seq(row.seq);
        if at != expected {
            return Err(ReadError::Missing { at: expected });
        }
        let plain = sealer.open(at.0, row.id, &row.sealed);
        let plain = plain.ok_or(ReadError::Sealed { at })?;
        let entry = LedgerEntry::decode(&plain).map_err(|source| ReadError::Unknown {
            at,
            source: withheld(&source),
        })?;
        entries.push((at, entry));
        expected = at.next();
    }
    Ok(entries)
}

/// Describes a parse error by its position, without any content of the entry.
fn withheld(error: &serde_json::Error) -> LedgerCause {
    let text = format!("{:?} error at byte {}", error.classify(), error.column());
    Arc::new(std::io::Error::other(text))
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread can only have panicked, which was printed already.
            let _ = thread.join();
        }
    }
}

impl Ledger for SqliteLedger {
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

    fn watch(&self) -> watch::Receiver<Seq> {
        self.last.subscribe()
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests;

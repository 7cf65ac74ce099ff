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
use super::error::{AppendError, ReadError};
use super::sealed::{self, LEDGER_NAME, SealedEntry, SealedStore};
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
            sealer: Arc::new(Sealer::new(&key, LEDGER_NAME)),
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

    /// Appends sealed entries, all of them or none.
    async fn append_rows(&self, after: Seq, rows: Vec<SealedEntry>) -> Result<Seq, AppendError> {
        let last = Arc::clone(&self.last);
        let answer = self.begin(move |connection| {
            let appended = file::append(connection, after, &rows);
            if let Ok(at) = appended {
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

    async fn append(&self, after: Seq, entry: &LedgerEntry) -> Result<Seq, AppendError> {
        let row = sealed::seal_entry(&self.sealer, after.next(), entry)?;
        self.append_rows(after, vec![row]).await
    }

    /// Runs a job that reads.
    async fn query<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let gone = || ReadError::Unavailable(Arc::new(LedgerThreadEnded));
        let answer = self.begin(move |connection| job(connection));
        let answer = answer.await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn read(&self, after: Seq, limit: usize) -> Result<Vec<(Seq, LedgerEntry)>, ReadError> {
        let sealer = Arc::clone(&self.sealer);
        self.query(move |connection| {
            let rows = read_rows(connection, after, limit)?;
            sealed::open_entries(&sealer, after, &rows)
        })
        .await
    }
}

fn read_rows(
    connection: &Connection,
    after: Seq,
    limit: usize,
) -> Result<Vec<SealedEntry>, ReadError> {
    file::read(connection, after, limit).map_err(|source| ReadError::Unavailable(Arc::new(source)))
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

impl SealedStore for SqliteLedger {
    fn last_place(&self) -> BoxFuture<'_, Result<Seq, ReadError>> {
        let last = self.query(|connection| {
            file::last(connection).map_err(|source| ReadError::Unavailable(Arc::new(source)))
        });
        last.boxed()
    }

    fn read_sealed(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SealedEntry>, ReadError>> {
        let rows = self.query(move |connection| {
            let rows = read_rows(connection, after, limit)?;
            sealed::check_places(after, &rows)?;
            Ok(rows)
        });
        rows.boxed()
    }

    /// All entries are stored in one transaction: all of them or none.
    fn append_sealed(
        &self,
        after: Seq,
        entries: Vec<SealedEntry>,
    ) -> BoxFuture<'_, Result<Seq, AppendError>> {
        self.append_rows(after, entries).boxed()
    }

    fn can_open(&self, entry: &SealedEntry) -> bool {
        let SealedEntry { at, id, sealed } = entry;
        self.sealer.open(at.0, id.bytes(), sealed).is_some()
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod tests;

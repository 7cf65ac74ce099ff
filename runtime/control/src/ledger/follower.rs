//! A copy that follows its ledger.
//!
//! Owns when a copy goes on, waits, and stops for good. Must not know storage engines, nor the meaning of an entry.
//!
//! Each read of the ledger begins with the copy's own last entry, so that every entry that is written to the copy stands
//! behind one that both have. A ledger that turns out to be shorter than its copy, or another one, is never followed.

use super::copy::PAGE_ENTRIES;
use super::error::{AppendError, ReadError};
use super::jetstream::CopyCheckError;
use super::sealed::{SealedEntry, SealedStore};
use super::sequence::Seq;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Time after which a ledger without news is read all the same, to see that it is still the same one.
const QUIET_TIME: Duration = Duration::from_secs(10);
/// Pause after an error that may pass.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Time for which a ledger may seem shorter than its copy. A server that is cut off from the others answers with old
/// entries until it notices, which takes up to 20 seconds.
const SHORTER_PATIENCE: Duration = Duration::from_secs(25);

/// The reason for which a copy has stopped following. Only a person can help.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FollowError {
    /// The ledger is not the one that the copy is of.
    #[error("the copy of the ledger cannot go on")]
    NotTheSame(#[source] CopyCheckError),
    /// An entry is sealed with another key than the copy's.
    #[error(
        "entry {at} of the ledger is sealed with another key than this node's: does the node belong to this grid?"
    )]
    OtherKey {
        /// The place.
        at: Seq,
    },
    /// An entry is missing, or something that is no entry stands in its place.
    #[error("the ledger, or this node's copy of it, is damaged")]
    Damaged(#[source] ReadError),
    /// Something else has written to the copy.
    #[error("something else than its follower has written to this node's copy of the ledger")]
    CopyWritten(#[source] AppendError),
}

/// How one round ended.
enum FollowRound {
    /// Entries were copied, and there may be more.
    Copied,
    /// The copy has all entries.
    UpToDate,
    /// The ledger has fewer entries than the copy, in the view of the server that answered.
    Shorter(CopyCheckError),
    /// An error that may pass.
    Retry,
}

/// Writes all entries of a ledger to a copy, as they are, as soon as they are there.
#[derive(Debug)]
pub struct LedgerFollower {
    ledger: Arc<dyn SealedStore>,
    copy: Arc<dyn SealedStore>,
    /// When the ledger first seemed shorter than the copy, unless it no longer does.
    shorter_since: Option<Instant>,
}

impl LedgerFollower {
    /// A follower of `ledger` that writes to `copy`. Nobody else may write to the copy; everybody may read and watch it.
    pub fn new(ledger: Arc<dyn SealedStore>, copy: Arc<dyn SealedStore>) -> Self {
        LedgerFollower {
            ledger,
            copy,
            shorter_since: None,
        }
    }

    /// Follows the ledger until it must not be followed any more. Dropping the future stops it at any point: an entry is
    /// in the copy completely or not at all. While the ledger or the copy is unavailable this waits.
    pub async fn run(mut self) -> FollowError {
        let mut news = self.ledger.watch();
        loop {
            news.mark_unchanged();
            let round = match self.follow_once().await {
                Ok(round) => round,
                Err(stop) => return stop,
            };
            if !matches!(round, FollowRound::Shorter(_) | FollowRound::Retry) {
                self.shorter_since = None;
            }
            match round {
                FollowRound::Copied => {}
                FollowRound::UpToDate => wait_for_news(&mut news).await,
                FollowRound::Retry => sleep(RETRY_PAUSE).await,
                FollowRound::Shorter(shorter) => {
                    let since = *self.shorter_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= SHORTER_PATIENCE {
                        return FollowError::NotTheSame(shorter);
                    }
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Copies the next entries.
    async fn follow_once(&self) -> Result<FollowRound, FollowError> {
        let Some(own) = retry_on_error(read_last(&*self.copy).await)? else {
            return Ok(FollowRound::Retry);
        };
        let own_last = own.as_ref().map_or(Seq::START, |entry| entry.at);
        let before = own_last.previous().unwrap_or(Seq::START);
        let read = self.ledger.read_sealed(before, PAGE_ENTRIES).await;
        let Some(mut entries) = retry_on_error(read)? else {
            return Ok(FollowRound::Retry);
        };
        if let Some(own) = own {
            if entries.is_empty() {
                return self.describe_shorter(own.at).await;
            }
            if entries.remove(0) != own {
                let differs = CopyCheckError::Differs { at: own.at };
                return Err(FollowError::NotTheSame(differs));
            }
        }
        if entries.is_empty() {
            return Ok(FollowRound::UpToDate);
        }
        if let Some(foreign) = entries.iter().find(|entry| !self.copy.can_open(entry)) {
            return Err(FollowError::OtherKey { at: foreign.at });
        }
        match self.copy.append_sealed(own_last, entries).await {
            Ok(_) => Ok(FollowRound::Copied),
            Err(error @ AppendError::Conflict { .. }) => Err(FollowError::CopyWritten(error)),
            // The next round sees what was written.
            Err(_) => Ok(FollowRound::Retry),
        }
    }

    async fn describe_shorter(&self, copy: Seq) -> Result<FollowRound, FollowError> {
        match retry_on_error(self.ledger.last_place().await)? {
            Some(stream) if stream < copy => Ok(FollowRound::Shorter(CopyCheckError::Shorter {
                stream,
                copy,
            })),
            Some(_) | None => Ok(FollowRound::Retry),
        }
    }
}

/// The last entry of a ledger; `None` if it is empty.
async fn read_last(ledger: &dyn SealedStore) -> Result<Option<SealedEntry>, ReadError> {
    let Some(before) = ledger.last_place().await?.previous() else {
        return Ok(None);
    };
    Ok(ledger.read_sealed(before, 1).await?.pop())
}

/// `None` for an error that may pass.
fn retry_on_error<T>(read: Result<T, ReadError>) -> Result<Option<T>, FollowError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Unavailable(_)) => Ok(None),
        Err(error) => Err(FollowError::Damaged(error)),
    }
}

async fn wait_for_news(news: &mut watch::Receiver<Seq>) {
    let changed = timeout(QUIET_TIME, news.changed()).await;
    if let Ok(Err(_ended)) = changed {
        // Nobody tells any more; the ledger can still be read.
        sleep(RETRY_PAUSE).await;
    }
}

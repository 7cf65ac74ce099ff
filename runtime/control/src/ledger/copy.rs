//! Copies of a ledger: sealed entries, place by place.
//!
//! Owns that a copy continues only what it is equal to. Must not know storage engines, nor the meaning of an entry.

use super::error::{AppendError, ReadError};
use super::sealed::{SealedEntry, SealedStore};
use super::sequence::Seq;
use std::time::Duration;
use tokio::time::sleep;

/// Number of entries that are read and written at a time: with the largest entries 64 MB.
pub(super) const PAGE_ENTRIES: usize = 64;
/// Number of attempts without any progress after which a copy gives up, and the pause after each: longer than an engine
/// takes to elect a leader.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// The reason for which a ledger was not copied. What was copied stays; a later attempt continues behind it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CopyError {
    /// The target has entries that the source does not have.
    #[error(
        "the target has {target} entries, more than the {source_last} of the ledger to copy: it is not a copy of it"
    )]
    TargetLonger {
        /// The last entry of the target.
        target: Seq,
        /// The last entry of the source.
        source_last: Seq,
    },
    /// Source and target have different entries.
    #[error(
        "entry {at} of the target is not the entry {at} of the ledger to copy: copy to an empty one"
    )]
    Differs {
        /// The first place that differs.
        at: Seq,
    },
    /// The target's key does not open an entry of the source.
    #[error(
        "entry {at} is sealed with another key than the target's: give both the key of the ledger to copy"
    )]
    OtherKey {
        /// The place.
        at: Seq,
    },
    /// Source or target cannot be read.
    #[error("the ledger was not copied")]
    Read(#[from] ReadError),
    /// The target cannot be written.
    #[error("the ledger was not copied after entry {at}")]
    Write {
        /// The last entry that was copied.
        at: Seq,
        /// The last error.
        #[source]
        source: AppendError,
    },
}

impl CopyError {
    /// Whether another attempt may succeed. A conflict is one with an entry of this copy that was thought to be lost.
    fn may_pass(&self) -> bool {
        match self {
            CopyError::Read(ReadError::Unavailable(_)) => true,
            CopyError::Write { source, .. } => !matches!(source, AppendError::TooLarge { .. }),
            CopyError::TargetLonger { .. }
            | CopyError::Differs { .. }
            | CopyError::OtherKey { .. }
            | CopyError::Read(_) => false,
        }
    }
}

/// Copies all entries of `from` to `to`, as they are. Returns the place of the last one.
///
/// Continues a copy that was broken off: entries that the target has already must be equal, sealed bytes included, and
/// are not written again. Nobody else may write the target meanwhile. Entries that are appended to the source meanwhile
/// may be left out. Waits some time for a ledger that is unavailable.
pub async fn copy_sealed(from: &dyn SealedStore, to: &dyn SealedStore) -> Result<Seq, CopyError> {
    let (mut at, mut failures) = (Seq::START, 0);
    loop {
        let before = at;
        let error = match copy_after(from, to, &mut at).await {
            Ok(()) => return Ok(at),
            Err(error) => error,
        };
        failures = if at > before { 1 } else { failures + 1 };
        if !error.may_pass() || failures == TRIES {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
}

/// Compares and then copies all entries after `at`, to which both are equal, and moves `at` along.
async fn copy_after(
    from: &dyn SealedStore,
    to: &dyn SealedStore,
    at: &mut Seq,
) -> Result<(), CopyError> {
    let (source_last, target) = (from.last_place().await?, to.last_place().await?);
    if target > source_last {
        return Err(CopyError::TargetLonger {
            target,
            source_last,
        });
    }
    compare_sealed(from, to, at).await?;
    loop {
        let page = from.read_sealed(*at, PAGE_ENTRIES).await?;
        if page.is_empty() {
            return Ok(());
        }
        if let Some(entry) = page.iter().find(|entry| !to.can_open(entry)) {
            return Err(CopyError::OtherKey { at: entry.at });
        }
        let copied = to.append_sealed(*at, page).await;
        // After an error some of the entries may be stored, which the next attempt compares.
        *at = copied.map_err(|source| CopyError::Write { at: *at, source })?;
    }
}

/// Compares all entries of `to` after `at`, which must be equal to those of `from`, and moves `at` along.
async fn compare_sealed(
    from: &dyn SealedStore,
    to: &dyn SealedStore,
    at: &mut Seq,
) -> Result<(), CopyError> {
    loop {
        let copied = to.read_sealed(*at, PAGE_ENTRIES).await?;
        let Some(last) = copied.last().map(|entry| entry.at) else {
            return Ok(());
        };
        let original = from.read_sealed(*at, copied.len()).await?;
        if let Some(differs) = first_difference(&original, &copied) {
            return Err(CopyError::Differs { at: differs });
        }
        *at = last;
    }
}

/// The first place at which a copy differs from the original, or goes on where the original ends.
fn first_difference(original: &[SealedEntry], copied: &[SealedEntry]) -> Option<Seq> {
    let equal = original.iter().zip(copied).take_while(|(a, b)| a == b);
    copied.get(equal.count()).map(|entry| entry.at)
}

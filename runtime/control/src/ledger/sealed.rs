//! Sealed entries, as every durable ledger stores them.
//!
//! Owns the stored form that all durable ledgers share, so that a ledger can be copied from one to another place by
//! place without its key. Must not know any storage engine.

use super::contract::Ledger;
use super::entry::{EntryId, LedgerEntry};
use super::error::{AppendError, LedgerCause, ReadError};
use super::sequence::Seq;
use crate::seal::Sealer;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// The name of the ledger, to which the seals of entries are bound.
pub(super) const LEDGER_NAME: &str = "dyno control";

/// One entry in its stored form. Two ledgers that hold the same entry hold the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// The place, to which the seal is bound.
    pub at: Seq,
    /// The id, to which the seal is bound as well.
    pub id: EntryId,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// A durable ledger, seen as a list of sealed entries. For copies; a writer of new entries uses [`Ledger`].
pub trait SealedStore: Ledger {
    /// Asks the storage for the place of the last entry.
    fn last_place(&self) -> BoxFuture<'_, Result<Seq, ReadError>>;

    /// Reads at most `limit` sealed entries after `after`, in order and without a gap. Returns fewer only if there
    /// are no more. Does not check the seals.
    fn read_sealed(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SealedEntry>, ReadError>>;

    /// Appends entries that were sealed for the places directly after `after`, if `after` is the last entry. After
    /// an error, some of the first entries may be stored.
    fn append_sealed(
        &self,
        after: Seq,
        entries: Vec<SealedEntry>,
    ) -> BoxFuture<'_, Result<Seq, AppendError>>;

    /// Whether this ledger's key opens the entry.
    fn can_open(&self, entry: &SealedEntry) -> bool;
}

/// Checks that entries follow `after` without a gap.
pub(super) fn check_places(after: Seq, entries: &[SealedEntry]) -> Result<(), ReadError> {
    let mut expected = after.next();
    for entry in entries {
        if entry.at != expected {
            return Err(ReadError::Missing { at: expected });
        }
        expected = expected.next();
    }
    Ok(())
}

/// Opens and decodes entries, which must follow `after` without a gap.
pub(super) fn open_entries(
    sealer: &Sealer,
    after: Seq,
    entries: &[SealedEntry],
) -> Result<Vec<(Seq, LedgerEntry)>, ReadError> {
    let mut opened = Vec::with_capacity(entries.len());
    let mut expected = after.next();
    for SealedEntry { at, id, sealed } in entries {
        let at = *at;
        if at != expected {
            return Err(ReadError::Missing { at: expected });
        }
        let plain = sealer.open(at.0, id.bytes(), sealed);
        let plain = plain.ok_or(ReadError::Sealed { at })?;
        let entry = LedgerEntry::decode(&plain).map_err(|source| ReadError::Unknown {
            at,
            source: withhold_content(&source),
        })?;
        opened.push((at, entry));
        expected = at.next();
    }
    Ok(opened)
}

/// Seals an entry for a place.
pub(super) fn seal_entry(
    sealer: &Sealer,
    at: Seq,
    entry: &LedgerEntry,
) -> Result<SealedEntry, AppendError> {
    let sealed = sealer.seal(at.0, entry.id.bytes(), &entry.encode()?);
    let sealed = sealed.ok_or(AppendError::TooLarge { bytes: usize::MAX })?;
    let id = entry.id;
    Ok(SealedEntry { at, id, sealed })
}

/// Describes a parse error by its position, without any content of the entry.
fn withhold_content(error: &serde_json::Error) -> LedgerCause {
    let text = format!("{:?} error at byte {}", error.classify(), error.column());
    Arc::new(std::io::Error::other(text))
}

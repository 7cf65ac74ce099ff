//! The ledger of facts, in memory.
//!
//! Owns the order of facts and that nobody appends past what they have read. Must not know what a fact
//! means. It lives as long as the process; a ledger on disk comes with the server.

use grid::desired::Fact;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Facts that a ledger in memory holds: at one a second, that is more than ten days.
const FACTS_MAX: usize = 1_000_000;

/// An append-only list of facts. A clone is the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    facts: Arc<Mutex<Vec<Fact>>>,
    length: Arc<watch::Sender<usize>>,
}

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Someone else appended since: read on, and decide again.
    #[error("the ledger has {actual} facts, not {expected}: there is another writer")]
    Conflict {
        /// How many facts the writer had read.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// There is no room.
    #[error("the ledger is full")]
    Full,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Ledger {
            facts: Arc::default(),
            length: Arc::new(watch::channel(0).0),
        }
    }

    /// Appends facts, all or none, if the ledger holds exactly `expected` facts. Returns how many it
    /// holds then.
    pub fn append(&self, expected: usize, facts: &[Fact]) -> Result<usize, LedgerError> {
        let mut held = self.lock();
        let actual = held.len();
        if actual != expected {
            return Err(LedgerError::Conflict { expected, actual });
        }
        if actual + facts.len() > FACTS_MAX {
            return Err(LedgerError::Full);
        }
        held.extend_from_slice(facts);
        let length = held.len();
        drop(held);
        self.length.send_replace(length);
        Ok(length)
    }

    /// The facts from the one with this number on; the first has the number 0.
    pub fn replay(&self, from: usize) -> Vec<Fact> {
        self.lock().get(from..).unwrap_or_default().to_vec()
    }

    /// Says how many facts there are whenever there are more.
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.length.subscribe()
    }

    /// A panic elsewhere leaves the list whole: facts are added in one go.
    fn lock(&self) -> MutexGuard<'_, Vec<Fact>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maintenance(on: bool) -> Fact {
        Fact::MaintenanceSet {
            app: "hello".parse().expect("valid"),
            on,
        }
    }

    #[test]
    fn of_two_writers_one_loses() {
        let ledger = Ledger::new();
        assert_eq!(ledger.append(0, &[maintenance(true)]), Ok(1));
        let lost = ledger.append(0, &[maintenance(false)]);
        assert_eq!(
            lost,
            Err(LedgerError::Conflict {
                expected: 0,
                actual: 1
            })
        );
        assert_eq!(ledger.replay(0), [maintenance(true)]);
    }

    #[test]
    fn a_reader_goes_on_where_it_was() {
        let ledger = Ledger::new();
        let watch = ledger.watch();
        ledger
            .append(0, &[maintenance(true), maintenance(false)])
            .expect("room");
        assert!(watch.has_changed().expect("open"));
        assert_eq!(ledger.clone().replay(1), [maintenance(false)]);
        assert_eq!(ledger.replay(9), []);
    }
}

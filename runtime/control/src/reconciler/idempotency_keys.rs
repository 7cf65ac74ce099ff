//! The answers to earlier requests, by idempotency key.
//!
//! Owns how long an answer is remembered. Must not know what a request changes.

use crate::command::AcceptedChange;
use crate::handle::ControlError;
use crate::ledger::{IdempotencyKey, LedgerEntry};
use std::collections::{BTreeMap, VecDeque};

/// Maximum number of remembered keys.
const KEYS_MAX: usize = 10_000;
/// Time for which a key is remembered: one day, in milliseconds.
const KEY_LIFE_MS: u64 = 24 * 60 * 60 * 1_000;

/// The actor's name and the text of the key: each client has its own keys.
type RequestKey = (String, String);

/// The answers to requests with idempotency keys.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys {
    known: BTreeMap<RequestKey, AnsweredRequest>,
    /// Oldest first.
    order: VecDeque<(u64, RequestKey)>,
}

#[derive(Debug)]
struct AnsweredRequest {
    at_ms: u64,
    digest: [u8; 32],
    accepted: AcceptedChange,
}

impl IdempotencyKeys {
    /// The answer to this request, if it was executed before. An error if the key belongs to a different request.
    pub(crate) fn find_answer(
        &self,
        by: &str,
        key: &IdempotencyKey,
        now_ms: u64,
    ) -> Result<Option<AcceptedChange>, ControlError> {
        let name = (by.to_owned(), key.text.clone());
        let known = self.known.get(&name);
        let fresh = known.filter(|known| now_ms < known.at_ms.saturating_add(KEY_LIFE_MS));
        match fresh {
            None => Ok(None),
            Some(known) if known.digest == key.digest => Ok(Some(AcceptedChange {
                repeated: true,
                ..known.accepted
            })),
            Some(_) => Err(ControlError::KeyReused),
        }
    }

    /// Remembers the answer of an entry, if its request had a key.
    pub(crate) fn record_answer(&mut self, entry: &LedgerEntry, accepted: AcceptedChange) {
        let Some(key) = &entry.key else { return };
        let name = (entry.by.clone(), key.text.clone());
        let known = AnsweredRequest {
            at_ms: entry.at_ms,
            digest: key.digest,
            accepted,
        };
        self.known.insert(name.clone(), known);
        self.order.push_back((entry.at_ms, name));
        self.forget_old_keys(entry.at_ms);
    }

    fn forget_old_keys(&mut self, now_ms: u64) {
        while let Some((at_ms, _)) = self.order.front() {
            let old = now_ms >= at_ms.saturating_add(KEY_LIFE_MS);
            if self.order.len() <= KEYS_MAX && !old {
                return;
            }
            let Some((at_ms, name)) = self.order.pop_front() else {
                return;
            };
            // Keep a key that was used again since then.
            if self
                .known
                .get(&name)
                .is_some_and(|known| known.at_ms == at_ms)
            {
                self.known.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::EntryId;

    fn key(text: &str, request: &str) -> IdempotencyKey {
        IdempotencyKey::new(text, request.as_bytes()).expect("valid")
    }

    fn entry(at_ms: u64, by: &str, key: IdempotencyKey) -> LedgerEntry {
        LedgerEntry {
            id: EntryId::random(),
            at_ms,
            by: by.into(),
            key: Some(key),
            changes: vec![],
        }
    }

    fn found(keys: &IdempotencyKeys, by: &str, key: &IdempotencyKey, now_ms: u64) -> bool {
        let found = keys.find_answer(by, key, now_ms).expect("the same request");
        found.is_some_and(|accepted| accepted.repeated)
    }

    #[test]
    fn an_idempotency_key_is_remembered_for_a_day() {
        let mut keys = IdempotencyKeys::default();
        keys.record_answer(
            &entry(1_000, "me", key("k", "a")),
            AcceptedChange::default(),
        );
        assert!(found(&keys, "me", &key("k", "a"), 2_000));
        assert!(!found(&keys, "you", &key("k", "a"), 2_000));
        assert!(!found(&keys, "me", &key("l", "a"), 2_000));
        let other = keys.find_answer("me", &key("k", "b"), 2_000);
        assert!(matches!(other, Err(ControlError::KeyReused)));
        assert!(!found(&keys, "me", &key("k", "b"), 1_000 + KEY_LIFE_MS));
    }

    #[test]
    fn only_the_newest_keys_are_remembered() {
        let mut keys = IdempotencyKeys::default();
        for number in 0..=KEYS_MAX {
            let key = key(&number.to_string(), "a");
            keys.record_answer(&entry(1, "me", key), AcceptedChange::default());
        }
        assert_eq!(keys.known.len(), KEYS_MAX);
        assert!(!found(&keys, "me", &key("0", "a"), 1));
        assert!(found(&keys, "me", &key("1", "a"), 1));
    }

    #[test]
    fn a_reused_key_is_kept_for_a_day_after_its_last_use() {
        let mut keys = IdempotencyKeys::default();
        keys.record_answer(&entry(0, "me", key("k", "a")), AcceptedChange::default());
        let later = KEY_LIFE_MS + 1;
        keys.record_answer(
            &entry(later, "me", key("k", "b")),
            AcceptedChange::default(),
        );
        assert!(found(&keys, "me", &key("k", "b"), later));
        assert_eq!(keys.order.len(), 1);
    }
}

//! The writer of the ledger: one append at a time.
//!
//! Owns the pending append and the handling of its outcome. Must not know why a change is written.

use super::append::{self, AppendOutcome, SELF};
use super::error::ReconcilerRunError;
use super::state::{ChangeDecision, ReconcilerState};
use crate::actor::Actor;
use crate::command::AcceptedChange;
use crate::handle::{ControlError, QueuedChange};
use crate::ledger::{AppendError, EntryId, Ledger, LedgerCause, LedgerChange, LedgerEntry, Seq};
use futures_util::future::BoxFuture;
use grid::desired::Fact;
use grid::time::Time;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Maximum number of planned facts in one entry. A fact has a few hundred bytes.
const FACTS_PER_ENTRY_MAX: usize = 256;
/// Pause before the reconciler retries a failed write. A user's request is tried at any time.
const RECORD_RETRY: Duration = Duration::from_secs(1);
/// Maximum number of remembered entries that may still appear. At two entries a second, this covers more than eight
/// minutes.
const UNSURE_MAX: usize = 1_024;

/// A pending append.
struct PendingAppend {
    id: EntryId,
    /// The request to answer; `None` for the reconciler's own facts.
    request: Option<QueuedChange>,
    done: BoxFuture<'static, AppendOutcome>,
}

/// A fact that is already applied but could not be written to the ledger.
pub(super) struct UnwrittenFact {
    pub(super) fact: Fact,
    /// The reason for which it is not written.
    pub(super) cause: LedgerCause,
}

/// Writes to the ledger, one append at a time.
pub(super) struct LedgerWriter {
    ledger: Arc<dyn Ledger>,
    appending: Option<PendingAppend>,
    /// An unwritten fact, which the next entry begins with.
    owed: Option<Fact>,
    /// Ids of our own entries that may still appear after the last entry read.
    unsure: Vec<EntryId>,
    /// No facts of plans are written before this time.
    record_at: Time,
    /// Current maximum number of planned facts in one entry.
    record_max: usize,
    trouble: watch::Sender<Option<LedgerCause>>,
}

impl LedgerWriter {
    pub(super) fn new(ledger: Arc<dyn Ledger>, owed: Option<UnwrittenFact>) -> Self {
        let (owed, cause) = owed.map(|owed| (owed.fact, owed.cause)).unzip();
        LedgerWriter {
            ledger,
            appending: None,
            owed,
            unsure: Vec::new(),
            record_at: Time::ZERO,
            record_max: FACTS_PER_ENTRY_MAX,
            trouble: watch::channel(cause).0,
        }
    }

    pub(super) fn watch_trouble(&self) -> watch::Receiver<Option<LedgerCause>> {
        self.trouble.subscribe()
    }

    /// Whether no append is pending.
    pub(super) fn is_free(&self) -> bool {
        self.appending.is_none()
    }

    /// Waits for the outcome of the pending append. Never returns if there is none.
    pub(super) async fn next_outcome(&mut self) -> AppendOutcome {
        match &mut self.appending {
            Some(appending) => (&mut appending.done).await,
            None => pending().await,
        }
    }

    /// Decides about a change request, and either starts to write it or answers it.
    pub(super) fn start_change(&mut self, request: QueuedChange, state: &ReconcilerState) {
        match state.decide_change(&request) {
            Ok(ChangeDecision::Write(changes)) => {
                let entry = LedgerEntry {
                    id: EntryId::random(),
                    at_ms: request.actor.at_ms,
                    by: request.actor.by.clone(),
                    key: request.key.clone(),
                    changes,
                };
                self.start_append(entry, state.view.at, Some(request));
            }
            // The requester may have stopped waiting.
            Ok(ChangeDecision::Known(accepted)) => drop(request.reply.send(Ok(accepted))),
            Err(refused) => drop(request.reply.send(Err(refused))),
        }
    }

    /// Starts to write facts of a plan after the entry `after`, if possible now. If not, returns the time of the
    /// next attempt, unless the end of the pending append triggers it.
    ///
    /// After a failed write an entry is appended even without facts. This writes an unwritten fact, settles whether
    /// earlier entries can still appear, and shows when the ledger works again.
    pub(super) fn start_facts(
        &mut self,
        mut facts: Vec<Fact>,
        after: Seq,
        now: Time,
    ) -> Option<Time> {
        let troubled = self.trouble.borrow().is_some();
        if (facts.is_empty() && !troubled) || !self.is_free() {
            return None;
        }
        if now < self.record_at {
            return Some(self.record_at);
        }
        facts.truncate(self.record_max);
        let Actor { by, at_ms } = Actor::now(SELF);
        let entry = LedgerEntry {
            id: EntryId::random(),
            at_ms,
            by,
            key: None,
            changes: facts.into_iter().map(LedgerChange::Fact).collect(),
        };
        self.start_append(entry, after, None);
        None
    }

    fn start_append(&mut self, mut entry: LedgerEntry, after: Seq, request: Option<QueuedChange>) {
        let id = entry.id;
        let owed = self.owed.clone().map(LedgerChange::Fact);
        entry.changes.splice(0..0, owed);
        let done = append::append_and_settle(Arc::clone(&self.ledger), after, entry);
        self.appending = Some(PendingAppend {
            id,
            request,
            done: Box::pin(done),
        });
    }

    /// Handles the outcome of the pending append, and answers its request.
    pub(super) fn finish_append(
        &mut self,
        done: AppendOutcome,
        state: &mut ReconcilerState,
        now: Time,
    ) -> Result<(), ReconcilerRunError> {
        let Some(PendingAppend { id, request, .. }) = self.appending.take() else {
            return Ok(());
        };
        self.unsure.extend(&done.sent);
        let own = self.fold_outcome(id, &done, state)?;
        match (own, done.failed) {
            (Some(accepted), _) => {
                self.owed = None;
                self.record_max = FACTS_PER_ENTRY_MAX;
                self.trouble.send_replace(None);
                answer(request, Ok(accepted));
            }
            // One of our earlier entries has appeared, so decide about the request again.
            (None, Some(AppendError::Conflict { .. })) => {
                if let Some(request) = request {
                    self.start_change(request, state);
                }
            }
            (None, Some(error)) => {
                self.note_failure(&error, request.is_none(), now);
                answer(request, Err(error.into()));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Applies the entries found, and returns the answer to the entry with this id, if it was found. An entry of
    /// another writer ends this reconciler.
    fn fold_outcome(
        &mut self,
        id: EntryId,
        done: &AppendOutcome,
        state: &mut ReconcilerState,
    ) -> Result<Option<AcceptedChange>, ReconcilerRunError> {
        let conflict = |expected, actual| {
            ReconcilerRunError::Ledger(AppendError::Conflict { expected, actual })
        };
        let mut own = None;
        for (at, entry) in &done.found {
            if !self.unsure.contains(&entry.id) {
                return Err(conflict(state.view.at, *at));
            }
            let accepted = state.fold_entry(*at, entry)?;
            own = own.or((entry.id == id).then_some(accepted));
        }
        match (&done.failed, done.found.is_empty()) {
            (Some(AppendError::Conflict { expected, actual }), true) => {
                return Err(conflict(*expected, *actual));
            }
            // The entry may still appear. Forget the oldest ids beyond the limit.
            (Some(AppendError::Ambiguous(_)), true) => {
                let excess = self.unsure.len().saturating_sub(UNSURE_MAX);
                self.unsure.drain(..excess);
            }
            (_, true) => self.unsure.retain(|id| !done.sent.contains(id)),
            // The place of all remembered entries is taken, so none of them can appear.
            (_, false) => self.unsure.clear(),
        }
        Ok(own)
    }

    fn note_failure(&mut self, error: &AppendError, was_record: bool, now: Time) {
        match error {
            AppendError::Unavailable(cause) | AppendError::Ambiguous(cause) => {
                self.record_at = now + RECORD_RETRY;
                self.trouble.send_replace(Some(Arc::clone(cause)));
            }
            AppendError::TooLarge { .. } if was_record => {
                self.record_at = now + RECORD_RETRY;
                self.record_max = 1;
            }
            AppendError::TooLarge { .. } | AppendError::Conflict { .. } => {}
        }
    }
}

fn answer(request: Option<QueuedChange>, answer: Result<AcceptedChange, ControlError>) {
    if let Some(request) = request {
        // The requester may have stopped waiting. The change stays.
        let _ = request.reply.send(answer);
    }
}

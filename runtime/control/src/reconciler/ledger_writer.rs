//! What is written to the ledger, one append at a time.
//!
//! Owns the append under way, and what is done with what came of it. Must not know why something is to be
//! written.

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

/// Facts of plans that are written as one entry: each has some hundred bytes.
const FACTS_PER_ENTRY_MAX: usize = 256;
/// After a failure the reconciler tries to write again after this time; a user may try at any time.
const RECORD_RETRY: Duration = Duration::from_secs(1);
/// Entries that may still turn up, at most: with two a second, those of the last eight minutes and more.
const UNSURE_MAX: usize = 1_024;

/// An append under way.
struct PendingAppend {
    id: EntryId,
    /// Whom to answer; none if the reconciler wants it itself.
    request: Option<QueuedChange>,
    done: BoxFuture<'static, AppendOutcome>,
}

/// A fact that is acted on already, and that there was no room for in the ledger.
pub(super) struct UnwrittenFact {
    pub(super) fact: Fact,
    /// Why it is not written.
    pub(super) cause: LedgerCause,
}

/// The way to the ledger.
pub(super) struct LedgerWriter {
    ledger: Arc<dyn Ledger>,
    appending: Option<PendingAppend>,
    /// What the next entry begins with.
    owed: Option<Fact>,
    /// Entries of ours that may still turn up behind the last one read.
    unsure: Vec<EntryId>,
    /// The reconciler writes nothing of its own before this time.
    record_at: Time,
    /// Facts that are written as one entry now.
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

    pub(super) fn trouble(&self) -> watch::Receiver<Option<LedgerCause>> {
        self.trouble.subscribe()
    }

    /// Whether there is no append under way.
    pub(super) fn is_free(&self) -> bool {
        self.appending.is_none()
    }

    /// What came of the append under way; it never returns if there is none.
    pub(super) async fn done(&mut self) -> AppendOutcome {
        match &mut self.appending {
            Some(appending) => (&mut appending.done).await,
            None => pending().await,
        }
    }

    /// Begins to write what a request comes to, or answers it.
    pub(super) fn consider(&mut self, request: QueuedChange, state: &ReconcilerState) {
        match state.consider(&request) {
            Ok(ChangeDecision::Write(changes)) => {
                let entry = LedgerEntry {
                    id: EntryId::random(),
                    at_ms: request.actor.at_ms,
                    by: request.actor.by.clone(),
                    key: request.key.clone(),
                    changes,
                };
                self.append(entry, state.view.at, Some(request));
            }
            // Whoever asked may have gone.
            Ok(ChangeDecision::Known(accepted)) => drop(request.reply.send(Ok(accepted))),
            Err(refused) => drop(request.reply.send(Err(refused))),
        }
    }

    /// Begins to write facts of a plan behind `after`, if that can be done now. Returns when to plan again
    /// if it cannot, and nothing else says when.
    ///
    /// While the ledger is in trouble it tries without any facts as well: what is owed gets written, what
    /// may turn up has turned up or never will, and the trouble is known to be over.
    pub(super) fn record(&mut self, mut facts: Vec<Fact>, after: Seq, now: Time) -> Option<Time> {
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
        self.append(entry, after, None);
        None
    }

    fn append(&mut self, mut entry: LedgerEntry, after: Seq, request: Option<QueuedChange>) {
        let id = entry.id;
        let owed = self.owed.clone().map(LedgerChange::Fact);
        entry.changes.splice(0..0, owed);
        let done = append::append(Arc::clone(&self.ledger), after, entry);
        self.appending = Some(PendingAppend {
            id,
            request,
            done: Box::pin(done),
        });
    }

    /// Takes what came of the append under way, and answers whoever wanted it.
    pub(super) fn settle(
        &mut self,
        done: AppendOutcome,
        state: &mut ReconcilerState,
        now: Time,
    ) -> Result<(), ReconcilerRunError> {
        let Some(PendingAppend { id, request, .. }) = self.appending.take() else {
            return Ok(());
        };
        self.unsure.extend(&done.sent);
        let own = self.fold(id, &done, state)?;
        match (own, done.failed) {
            (Some(accepted), _) => {
                self.owed = None;
                self.record_max = FACTS_PER_ENTRY_MAX;
                self.trouble.send_replace(None);
                answer(request, Ok(accepted));
            }
            // Something of ours had turned up: what the request comes to now may be something else.
            (None, Some(AppendError::Conflict { .. })) => {
                if let Some(request) = request {
                    self.consider(request, state);
                }
            }
            (None, Some(error)) => {
                self.fail(&error, request.is_none(), now);
                answer(request, Err(error.into()));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Folds what was found in, and returns what came of the entry with this id, if it is there. An entry
    /// of someone else means that this reconciler's time is over.
    fn fold(
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
            let accepted = state.fold(*at, entry)?;
            own = own.or((entry.id == id).then_some(accepted));
        }
        match (&done.failed, done.found.is_empty()) {
            (Some(AppendError::Conflict { expected, actual }), true) => {
                return Err(conflict(*expected, *actual));
            }
            // It may still turn up, as those before it. The oldest of very many will not any more.
            (Some(AppendError::Ambiguous(_)), true) => {
                let excess = self.unsure.len().saturating_sub(UNSURE_MAX);
                self.unsure.drain(..excess);
            }
            (_, true) => self.unsure.retain(|id| !done.sent.contains(id)),
            // The place that they were for is taken.
            (_, false) => self.unsure.clear(),
        }
        Ok(own)
    }

    fn fail(&mut self, error: &AppendError, was_record: bool, now: Time) {
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
        // Whoever asked may have gone; what was done stands.
        let _ = request.reply.send(answer);
    }
}

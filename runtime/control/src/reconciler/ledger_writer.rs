//! The writer of the ledger: one append at a time.
//!
//! Owns the pending append and the handling of its outcome, and which entries are this reconciler's own. Must not know
//! why a change is written.

use super::append::{self, AppendOutcome, SELF};
use super::error::ReconcilerRunError;
use super::ledger_follower::LedgerPage;
use super::options::LedgerClock;
use super::state::{ChangeDecision, ReconcilerState, starts_reconciler};
use crate::command::AcceptedChange;
use crate::handle::{ControlError, QueuedChange};
use crate::ledger::{AppendError, EntryId, Ledger, LedgerCause, LedgerChange, LedgerEntry, Seq};
use crate::view::LedgerView;
use futures_util::future::BoxFuture;
use grid::desired::Fact;
use grid::time::Time;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Maximum number of planned facts in one entry. A fact has a few hundred bytes.
const FACTS_PER_ENTRY_MAX: usize = 256;
/// Pause before the reconciler retries a failed write. A user's request is tried at any time.
const RECORD_RETRY: Duration = Duration::from_secs(1);
/// Maximum number of remembered entries that may still appear. At two entries a second, this covers more than eight
/// minutes.
const UNSURE_MAX: usize = 1_024;
/// Time for a pending append to return, before the entries after the last one read are read by other means. Until then
/// a new entry is most likely the one that is being appended.
const APPEND_PATIENCE: Duration = Duration::from_secs(1);

/// A pending append.
struct PendingAppend {
    id: EntryId,
    /// The last entry when the append began.
    after: Seq,
    began: Instant,
    /// The request to answer; `None` for the reconciler's own facts.
    request: Option<QueuedChange>,
    /// The answer to the request, once the entry was found in the ledger and applied.
    accepted: Option<AcceptedChange>,
    done: BoxFuture<'static, AppendOutcome>,
}

/// Writes to the ledger, one append at a time.
pub(super) struct LedgerWriter {
    ledger: Arc<dyn Ledger>,
    clock: LedgerClock,
    appending: Option<PendingAppend>,
    /// Ids of our own entries that may still appear after the last entry read.
    unsure: Vec<EntryId>,
    /// No facts of plans are written before this time.
    record_at: Time,
    /// Current maximum number of planned facts in one entry.
    record_max: usize,
    trouble: watch::Sender<Option<LedgerCause>>,
}

impl LedgerWriter {
    /// A writer without a pending append. `trouble` is the reason for which the ledger could not be written so far.
    pub(super) fn new(
        ledger: Arc<dyn Ledger>,
        clock: LedgerClock,
        trouble: Option<LedgerCause>,
    ) -> Self {
        LedgerWriter {
            ledger,
            clock,
            appending: None,
            unsure: Vec::new(),
            record_at: Time::ZERO,
            record_max: FACTS_PER_ENTRY_MAX,
            trouble: watch::channel(trouble).0,
        }
    }

    pub(super) fn watch_trouble(&self) -> watch::Receiver<Option<LedgerCause>> {
        self.trouble.subscribe()
    }

    /// Whether no append is pending.
    pub(super) fn is_free(&self) -> bool {
        self.appending.is_none()
    }

    /// The time from which new entries are worth reading, although an append is pending; `None` if none is pending.
    pub(super) fn patient_until(&self) -> Option<Instant> {
        let appending = self.appending.as_ref();
        appending.map(|appending| appending.began + APPEND_PATIENCE)
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
        let at_ms = self.clock.next_entry_ms(state.view.newest_ms);
        match state.decide_change(&request, at_ms) {
            Ok(ChangeDecision::Write(changes)) => {
                let entry = LedgerEntry {
                    id: EntryId::random(),
                    at_ms,
                    by: request.actor.name().to_owned(),
                    key: request.key.clone(),
                    changes,
                };
                self.start_append(entry, &state.view, Some(request));
            }
            // The requester may have stopped waiting.
            Ok(ChangeDecision::Known(accepted)) => drop(request.reply.send(Ok(accepted))),
            Err(refused) => drop(request.reply.send(Err(refused))),
        }
    }

    /// Starts to write facts of a plan after the last entry of `view`, if possible now. If not, returns the time of
    /// the next attempt, unless the end of the pending append triggers it.
    ///
    /// After a failed write an entry is appended even without facts. This writes an unwritten start, settles whether
    /// earlier entries can still appear, and shows when the ledger works again.
    pub(super) fn start_facts(
        &mut self,
        mut facts: Vec<Fact>,
        view: &LedgerView,
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
        let entry = LedgerEntry {
            id: EntryId::random(),
            at_ms: self.clock.next_entry_ms(view.newest_ms),
            by: SELF.to_owned(),
            key: None,
            changes: facts.into_iter().map(LedgerChange::Fact).collect(),
        };
        self.start_append(entry, view, None);
        None
    }

    fn start_append(
        &mut self,
        mut entry: LedgerEntry,
        view: &LedgerView,
        request: Option<QueuedChange>,
    ) {
        if view.has_unwritten_start() {
            let start = LedgerChange::Fact(Fact::ReconcilerStarted);
            entry.changes.insert(0, start);
        }
        let (id, after) = (entry.id, view.at);
        let done = append::append_and_settle(Arc::clone(&self.ledger), after, entry);
        self.appending = Some(PendingAppend {
            id,
            after,
            began: Instant::now(),
            request,
            accepted: None,
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
        self.unsure.extend(&done.sent);
        self.fold_page(&done.found, state)?;
        let Some(appending) = self.appending.take() else {
            return Ok(());
        };
        // If so, the place of all remembered entries is taken, and none of them can appear any more.
        let is_settled = state.view.at > appending.after;
        match &done.failed {
            _ if is_settled => self.unsure.clear(),
            // The entry may still appear. Forget the oldest ids beyond the limit.
            Some(AppendError::Ambiguous(_)) => {
                let excess = self.unsure.len().saturating_sub(UNSURE_MAX);
                self.unsure.drain(..excess);
            }
            _ => self.unsure.retain(|id| !done.sent.contains(id)),
        }
        let request = appending.request;
        match (appending.accepted, done.failed) {
            (Some(accepted), _) => {
                self.record_max = FACTS_PER_ENTRY_MAX;
                self.trouble.send_replace(None);
                answer(request, Ok(accepted));
            }
            // Another entry has the place, so decide about the request again.
            (None, Some(AppendError::Conflict { .. })) if is_settled => {
                if let Some(request) = request {
                    self.start_change(request, state);
                }
            }
            // The ledger lost entries.
            (None, Some(error @ AppendError::Conflict { expected, actual }))
                if actual < expected =>
            {
                return Err(ReconcilerRunError::Ledger(error));
            }
            (None, Some(error)) => {
                let error = definite_error(error, is_settled);
                self.note_failure(&error, request.is_none(), now);
                answer(request, Err(error.into()));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Applies the entries that follow the view, each place once. Returns whether there were any. The start of another
    /// reconciler ends this one, and is not applied.
    pub(super) fn fold_page(
        &mut self,
        page: &LedgerPage,
        state: &mut ReconcilerState,
    ) -> Result<bool, ReconcilerRunError> {
        let before = state.view.at;
        for (at, entry) in page {
            if *at <= state.view.at {
                continue;
            }
            let appending = self.appending.as_mut();
            let appending = appending.filter(|appending| appending.id == entry.id);
            let is_own = appending.is_some() || self.unsure.contains(&entry.id);
            if !is_own && starts_reconciler(entry) {
                self.answer_written_change();
                let (expected, actual) = (state.view.at, *at);
                return Err(ReconcilerRunError::Ledger(AppendError::Conflict {
                    expected,
                    actual,
                }));
            }
            let accepted = state.fold_entry(*at, entry)?;
            if let Some(appending) = appending {
                appending.accepted = Some(accepted);
            }
        }
        Ok(state.view.at > before)
    }

    /// Answers the request whose entry was applied although its append is pending. The reconciler ends after this.
    fn answer_written_change(&mut self) {
        if let Some(appending) = self.appending.take()
            && let Some(accepted) = appending.accepted
        {
            answer(appending.request, Ok(accepted));
        }
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

/// The error of an append that is not in the ledger. `is_settled` says that another entry has its place.
fn definite_error(error: AppendError, is_settled: bool) -> AppendError {
    match error {
        // The entries in the way could not be read yet.
        AppendError::Conflict { .. } => AppendError::Unavailable(Arc::new(error)),
        AppendError::Ambiguous(cause) if is_settled => AppendError::Unavailable(cause),
        AppendError::Ambiguous(_) | AppendError::Unavailable(_) | AppendError::TooLarge { .. } => {
            error
        }
    }
}

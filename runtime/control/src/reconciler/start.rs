//! The start of a reconciler: it replays the ledger and appends one entry.
//!
//! Owns the replay. Must not know the event loop.

use super::append::{AppendOutcome, SELF, append_and_settle};
use super::error::ReconcilerStartError;
use super::idempotency_keys::IdempotencyKeys;
use super::ledger_follower::EntryFollower;
use super::ledger_writer::LedgerWriter;
use super::log_sender::LogEventSender;
use super::options::{LedgerSharing, ReconcilerOptions};
use super::outputs::{
    EVENTS_MAX, LOGS_MAX, ONE_OFFS_MAX, REQUESTS_MAX, ReconcilerOutputs, STEPS_MAX,
};
use super::run::{Reconciler, ReconcilerChannels};
use super::state::{ReconcilerState, accepted, starts_reconciler};
use crate::handle::{Control, PublishedReleases};
use crate::ledger::{AppendError, EntryId, Ledger, LedgerCause, LedgerChange, LedgerEntry, Seq};
use crate::view::LedgerView;
use grid::desired::Fact;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Number of entries per read.
const PAGE: usize = 1_000;

/// Replays the ledger and creates a reconciler.
///
/// The reconciler's own time, by which it plans, starts at zero here. A ledger has one reconciler: a second reconciler
/// takes over, and the first one ends when it reads of the second one's start.
///
/// # Errors
/// The ledger cannot be read, or the start cannot be written to it; see [`LedgerSharing`] for the exception. After
/// [`AppendError::Ambiguous`] the start may still appear in the ledger. It then counts as the start of a reconciler that
/// has ended. The caller may try again: every attempt reads the ledger anew.
pub async fn start(
    ledger: Arc<dyn Ledger>,
    options: ReconcilerOptions,
) -> Result<(Reconciler, Control, ReconcilerOutputs), ReconcilerStartError> {
    let (mut view, mut keys) = (LedgerView::default(), IdempotencyKeys::default());
    replay(&*ledger, &mut view, &mut keys).await?;
    let trouble = take_over(&ledger, &mut view, &mut keys, &options).await?;
    let epoch = view.desired.epoch();
    let (log_sender, logs) = mpsc::channel(LOGS_MAX);
    let (one_off_sender, one_offs) = mpsc::channel(ONE_OFFS_MAX);
    let (step_sender, steps) = mpsc::channel(STEPS_MAX);
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (request_sender, requests) = mpsc::channel(REQUESTS_MAX);
    let state = ReconcilerState::new(view, keys, &options, LogEventSender::new(log_sender));
    let follower = EntryFollower::new(Arc::clone(&ledger));
    let writer = LedgerWriter::new(ledger, options.clock, trouble);
    let (published, is_published) = watch::channel(PublishedReleases::new());
    let control = Control::new(
        request_sender,
        event_sender,
        state.views(),
        writer.watch_trouble(),
        is_published,
        epoch,
    );
    let channels = ReconcilerChannels {
        events,
        requests,
        one_offs: one_off_sender,
        steps: step_sender,
    };
    let reconciler = Reconciler::new(state, writer, follower, channels);
    let outputs = ReconcilerOutputs {
        steps,
        one_offs,
        logs,
        published,
    };
    Ok((reconciler, control, outputs))
}

pub(super) async fn replay(
    ledger: &dyn Ledger,
    view: &mut LedgerView,
    keys: &mut IdempotencyKeys,
) -> Result<(), ReconcilerStartError> {
    loop {
        let entries = ledger.read(view.at, PAGE).await?;
        if entries.is_empty() {
            return Ok(());
        }
        for (at, entry) in entries {
            fold_entry(at, &entry, view, keys)?;
        }
    }
}

fn fold_entry(
    at: Seq,
    entry: &LedgerEntry,
    view: &mut LedgerView,
    keys: &mut IdempotencyKeys,
) -> Result<(), ReconcilerStartError> {
    view.apply_entry(at, entry)
        .map_err(|source| ReconcilerStartError::Replay { at, source })?;
    keys.record_answer(entry, accepted(entry));
    Ok(())
}

/// Records that this reconciler started, so that its runs and generations are above all earlier ones.
///
/// If the ledger can be read but not written, and no other machine writes, the reconciler starts nevertheless, so that
/// apps run. Then this returns the cause, and the view has an unwritten start.
async fn take_over(
    ledger: &Arc<dyn Ledger>,
    view: &mut LedgerView,
    keys: &mut IdempotencyKeys,
    options: &ReconcilerOptions,
) -> Result<Option<LedgerCause>, ReconcilerStartError> {
    let entry = LedgerEntry {
        id: EntryId::random(),
        at_ms: options.clock.next_entry_ms(view.newest_ms),
        by: SELF.to_owned(),
        key: None,
        changes: vec![LedgerChange::Fact(Fact::ReconcilerStarted)],
    };
    let (id, expected) = (entry.id, view.at);
    let done = append_and_settle(Arc::clone(ledger), expected, entry).await;
    let is_own = |entry: &LedgerEntry| entry.id == id;
    if !done.found.iter().any(|(_, entry)| is_own(entry)) {
        return start_without_entry(done, view, options.sharing);
    }
    let mut others = done.found.iter().filter(|(_, entry)| !is_own(entry));
    if let Some((actual, _)) = others.find(|(_, entry)| starts_reconciler(entry)) {
        let actual = *actual;
        let overtaken = AppendError::Conflict { expected, actual };
        return Err(ReconcilerStartError::Ledger(overtaken));
    }
    for (at, entry) in &done.found {
        fold_entry(*at, entry, view, keys)?;
    }
    Ok(None)
}

/// Starts although the start is not in the ledger, if that is safe.
fn start_without_entry(
    done: AppendOutcome,
    view: &mut LedgerView,
    sharing: LedgerSharing,
) -> Result<Option<LedgerCause>, ReconcilerStartError> {
    match (done.failed, sharing) {
        (Some(AppendError::Unavailable(cause)), LedgerSharing::Sole) if done.found.is_empty() => {
            let at = view.at;
            let applied = view.apply_unwritten_start();
            applied.map_err(|source| ReconcilerStartError::Replay { at, source })?;
            Ok(Some(cause))
        }
        (Some(error), LedgerSharing::Sole | LedgerSharing::Shared) => {
            Err(ReconcilerStartError::Ledger(error))
        }
        (None, _) => Err(ReconcilerStartError::Ledger(AppendError::Unavailable(
            missing_entry(),
        ))),
    }
}

fn missing_entry() -> LedgerCause {
    Arc::new(std::io::Error::other("the entry was not found again"))
}

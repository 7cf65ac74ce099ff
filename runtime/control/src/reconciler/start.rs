//! The start of a reconciler: it replays the ledger and appends one entry.
//!
//! Owns the replay. Must not know the event loop.

use super::append::{SELF, append_and_settle};
use super::error::ReconcilerStartError;
use super::idempotency_keys::IdempotencyKeys;
use super::ledger_writer::{LedgerWriter, UnwrittenFact};
use super::log_sender::LogEventSender;
use super::options::ReconcilerOptions;
use super::outputs::{
    EVENTS_MAX, LOGS_MAX, ONE_OFFS_MAX, REQUESTS_MAX, ReconcilerOutputs, STEPS_MAX,
};
use super::run::{Reconciler, ReconcilerChannels};
use super::state::{ReconcilerState, accepted};
use crate::actor::Actor;
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
/// The reconciler's clock starts at zero here. A ledger has one reconciler: a second reconciler takes over, and the
/// first one ends at its next append.
pub async fn start(
    ledger: Arc<dyn Ledger>,
    options: ReconcilerOptions,
) -> Result<(Reconciler, Control, ReconcilerOutputs), ReconcilerStartError> {
    let (mut view, mut keys) = (LedgerView::default(), IdempotencyKeys::default());
    replay(&*ledger, &mut view, &mut keys).await?;
    let owed = take_over(&ledger, &mut view, &mut keys).await?;
    let (log_sender, logs) = mpsc::channel(LOGS_MAX);
    let (one_off_sender, one_offs) = mpsc::channel(ONE_OFFS_MAX);
    let (step_sender, steps) = mpsc::channel(STEPS_MAX);
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (request_sender, requests) = mpsc::channel(REQUESTS_MAX);
    let state = ReconcilerState::new(view, keys, &options, LogEventSender::new(log_sender));
    let writer = LedgerWriter::new(ledger, owed);
    let (published, is_published) = watch::channel(PublishedReleases::new());
    let control = Control::new(
        request_sender,
        event_sender,
        state.views(),
        writer.watch_trouble(),
        is_published,
    );
    let channels = ReconcilerChannels {
        events,
        requests,
        one_offs: one_off_sender,
        steps: step_sender,
    };
    let reconciler = Reconciler::new(state, writer, channels);
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
/// If the ledger can be read but not written, the reconciler starts nevertheless, so that apps run, and returns the
/// unwritten fact.
async fn take_over(
    ledger: &Arc<dyn Ledger>,
    view: &mut LedgerView,
    keys: &mut IdempotencyKeys,
) -> Result<Option<UnwrittenFact>, ReconcilerStartError> {
    let fact = Fact::ReconcilerStarted;
    let Actor { by, at_ms } = Actor::now(SELF);
    let entry = LedgerEntry {
        id: EntryId::random(),
        at_ms,
        by,
        key: None,
        changes: vec![LedgerChange::Fact(fact.clone())],
    };
    let id = entry.id;
    let done = append_and_settle(Arc::clone(ledger), view.at, entry).await;
    match (done.found.as_slice(), done.failed) {
        ([(at, entry)], _) if entry.id == id => fold_entry(*at, entry, view, keys).map(|()| None),
        ([], Some(AppendError::Unavailable(cause))) => {
            let at = view.at;
            let applied = view.desired.apply_fact(&fact);
            applied.map_err(|source| ReconcilerStartError::Replay { at, source })?;
            Ok(Some(UnwrittenFact { fact, cause }))
        }
        (_, Some(error)) => Err(ReconcilerStartError::Ledger(error)),
        (_, None) => Err(ReconcilerStartError::Ledger(AppendError::Unavailable(
            missing_entry(),
        ))),
    }
}

fn missing_entry() -> LedgerCause {
    Arc::new(std::io::Error::other("the entry was not found again"))
}

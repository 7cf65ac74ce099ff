//! How a reconciler begins: what a ledger holds, and one more entry.
//!
//! Owns the replay. Must not know what comes after it.

use super::append::{SELF, append};
use super::error::StartError;
use super::idempotency_keys::Keys;
use super::ledger_writer::{Owed, Writer};
use super::log_sender::Lines;
use super::options::Options;
use super::outputs::{EVENTS_MAX, LOGS_MAX, ONE_OFFS_MAX, Outputs, REQUESTS_MAX, STEPS_MAX};
use super::run::{Reconciler, ReconcilerChannels};
use super::state::{State, accepted};
use crate::actor::Actor;
use crate::handle::{Control, Published};
use crate::ledger::{AppendError, Cause, Change, Entry, EntryId, Ledger, Seq};
use crate::view::View;
use grid::desired::Fact;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Entries that are read at once.
const PAGE: usize = 1_000;

/// Replays the ledger and makes a reconciler of it.
///
/// Time is counted from here. There can be one reconciler a ledger: a second one takes over, and the
/// first one ends at its next entry.
pub async fn start(
    ledger: Arc<dyn Ledger>,
    options: Options,
) -> Result<(Reconciler, Control, Outputs), StartError> {
    let (mut view, mut keys) = (View::default(), Keys::default());
    replay(&*ledger, &mut view, &mut keys).await?;
    let owed = take_over(&ledger, &mut view, &mut keys).await?;
    let (log_sender, logs) = mpsc::channel(LOGS_MAX);
    let (one_off_sender, one_offs) = mpsc::channel(ONE_OFFS_MAX);
    let (step_sender, steps) = mpsc::channel(STEPS_MAX);
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (request_sender, requests) = mpsc::channel(REQUESTS_MAX);
    let state = State::new(view, keys, &options, Lines::new(log_sender));
    let writer = Writer::new(ledger, owed);
    let (published, is_published) = watch::channel(Published::new());
    let control = Control::new(
        request_sender,
        event_sender,
        state.views(),
        writer.trouble(),
        is_published,
    );
    let channels = ReconcilerChannels {
        events,
        requests,
        one_offs: one_off_sender,
        steps: step_sender,
    };
    let reconciler = Reconciler::new(state, writer, channels);
    let outputs = Outputs {
        steps,
        one_offs,
        logs,
        published,
    };
    Ok((reconciler, control, outputs))
}

pub(super) async fn replay(
    ledger: &dyn Ledger,
    view: &mut View,
    keys: &mut Keys,
) -> Result<(), StartError> {
    loop {
        let entries = ledger.read(view.at, PAGE).await?;
        if entries.is_empty() {
            return Ok(());
        }
        for (at, entry) in entries {
            fold(at, &entry, view, keys)?;
        }
    }
}

fn fold(at: Seq, entry: &Entry, view: &mut View, keys: &mut Keys) -> Result<(), StartError> {
    view.apply(at, entry)
        .map_err(|source| StartError::Replay { at, source })?;
    keys.note(entry, accepted(entry));
    Ok(())
}

/// Writes that this reconciler started, so that its runs and generations are above all earlier ones.
///
/// Where the ledger can be read and has no room, it begins all the same, for the sake of the apps, and owes
/// the ledger that fact.
async fn take_over(
    ledger: &Arc<dyn Ledger>,
    view: &mut View,
    keys: &mut Keys,
) -> Result<Option<Owed>, StartError> {
    let fact = Fact::ReconcilerStarted;
    let Actor { by, at_ms } = Actor::now(SELF);
    let entry = Entry {
        id: EntryId::random(),
        at_ms,
        by,
        key: None,
        changes: vec![Change::Fact(fact.clone())],
    };
    let id = entry.id;
    let done = append(Arc::clone(ledger), view.at, entry).await;
    match (done.found.as_slice(), done.failed) {
        ([(at, entry)], _) if entry.id == id => fold(*at, entry, view, keys).map(|()| None),
        ([], Some(AppendError::Unavailable(cause))) => {
            let at = view.at;
            let applied = view.desired.apply_fact(&fact);
            applied.map_err(|source| StartError::Replay { at, source })?;
            Ok(Some(Owed { fact, cause }))
        }
        (_, Some(error)) => Err(StartError::Ledger(error)),
        (_, None) => Err(StartError::Ledger(AppendError::Unavailable(lost()))),
    }
}

fn lost() -> Cause {
    Arc::new(std::io::Error::other("the entry was not found again"))
}

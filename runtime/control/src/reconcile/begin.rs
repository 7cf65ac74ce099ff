//! How a reconciler begins: what a ledger holds, and one more entry.
//!
//! Owns the replay. Must not know what comes after it.

use super::append::append;
use super::lines::Lines;
use super::state::{State, accepted};
use super::write::{Owed, Writer};
use super::{
    EVENTS_MAX, LOGS_MAX, ONE_OFFS_MAX, Outputs, REQUESTS_MAX, Reconciler, SELF, STEPS_MAX,
};
use crate::command::Actor;
use crate::handle::{Control, Published};
use crate::keys::Keys;
use crate::ledger::{AppendError, Cause, Change, Entry, EntryId, Ledger, ReadError, Seq};
use crate::view::View;
use grid::desired::{Fact, FactError};
use grid::plan::Policy;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Entries that are read at once.
const PAGE: usize = 1_000;

/// What a reconciler is told once.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Gives back-off its jitter: different in every run, unless it is a test's.
    pub seed: u64,
    /// What the operator decides for all apps.
    pub policy: Policy,
}

/// Why a reconciler did not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
    /// The ledger does not make sense.
    #[error("entry {at} of the ledger does not fit those before it")]
    Replay {
        /// Which entry.
        at: Seq,
        /// What is wrong with it.
        #[source]
        source: FactError,
    },
    /// The ledger cannot be written.
    #[error("cannot write to the ledger")]
    Ledger(#[source] AppendError),
}

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
    let reconciler = Reconciler {
        state,
        writer,
        started: Instant::now(),
        events,
        requests,
        // What is owed is written without waiting for anything to happen.
        news: true,
        closing: None,
        asked: Vec::new(),
        one_offs: one_off_sender,
        steps: step_sender,
    };
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

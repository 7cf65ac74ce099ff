//! From steps and reports to dyno time: when a dyno came up, when nothing was left of it, and its size.
//!
//! Owns the sizes of the dynos that run. Must not know prices, nor where time is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use control::usage::UsageRecorder;
use grid::desired::Release;
use grid::name::{AppName, DynoKey, Version};
use grid::protocol::{Report, Step};

/// Notes dyno time, if there is anyone to note it for. Clones share what they know.
#[derive(Clone)]
pub(crate) struct Meter(Option<(UsageRecorder, Arc<Mutex<Known>>)>);

#[derive(Default)]
struct Known {
    releases: BTreeMap<(AppName, Version), Arc<Release>>,
    memory_bytes: BTreeMap<DynoKey, u64>,
}

impl Meter {
    pub(crate) fn new(recorder: Option<UsageRecorder>) -> Meter {
        Meter(recorder.map(|recorder| (recorder, Arc::default())))
    }

    /// Takes a step before it is carried out.
    pub(crate) fn step(&self, step: &Step) {
        let Some((_, known)) = &self.0 else { return };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Fetch { app, release, .. } => {
                let key = (app.clone(), release.version);
                known.releases.insert(key, Arc::clone(release));
            }
            Step::Start { dyno, version, .. } | Step::Run { dyno, version, .. } => {
                let release = known.releases.get(&(dyno.app.clone(), *version));
                let spec = release.and_then(|release| release.processes.get(&dyno.dyno.process));
                let bytes = spec.map_or(0, |spec| spec.limits.memory_bytes);
                known.memory_bytes.insert(dyno.clone(), bytes);
            }
            Step::Forget { app, version, .. } => {
                known.releases.remove(&(app.clone(), *version));
            }
            _ => {}
        }
    }

    /// Takes a one-off dyno before it starts.
    pub(crate) fn one_off(&self, dyno: &DynoKey, memory_bytes: u64) {
        let Some((_, known)) = &self.0 else { return };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.memory_bytes.insert(dyno.clone(), memory_bytes);
    }

    /// Takes a report of the node.
    pub(crate) fn report(&self, report: &Report) {
        let Some((recorder, known)) = &self.0 else {
            return;
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match report {
            // Asleep from the start, it was never up.
            Report::Up { dyno, .. } | Report::Idle { dyno, .. } => {
                let bytes = known.memory_bytes.get(dyno).copied().unwrap_or_default();
                drop(known);
                recorder.changed(dyno, bytes, true);
            }
            Report::Crashed { dyno, .. }
            | Report::Exited { dyno, .. }
            | Report::Down { dyno, .. } => {
                let bytes = known.memory_bytes.remove(dyno).unwrap_or_default();
                drop(known);
                recorder.changed(dyno, bytes, false);
            }
            _ => {}
        }
    }
}

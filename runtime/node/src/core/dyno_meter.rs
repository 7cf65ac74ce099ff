//! Dyno time, from steps and reports: when a dyno came up, when it was gone, and its size.
//!
//! Owns the sizes of the dynos that run. Must not know prices, nor where dyno time is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::usage::UsageRecorder;
use grid::desired::Release;
use grid::name::{AppName, DynoKey, ReleaseId};
use grid::protocol::{Report, Step};
use parking_lot::Mutex;

/// Measures dyno time, if there is a recorder for it. Clones share the sizes.
#[derive(Clone)]
pub(super) struct DynoMeter(Option<(UsageRecorder, Arc<Mutex<DynoSizes>>)>);

#[derive(Default)]
struct DynoSizes {
    releases: BTreeMap<(AppName, ReleaseId), Arc<Release>>,
    memory_bytes: BTreeMap<DynoKey, u64>,
}

impl DynoMeter {
    pub(super) fn new(recorder: Option<UsageRecorder>) -> DynoMeter {
        DynoMeter(recorder.map(|recorder| (recorder, Arc::default())))
    }

    /// Takes a step before it is carried out.
    pub(super) fn record_step(&self, step: &Step) {
        let Some((_, sizes)) = &self.0 else { return };
        let mut sizes = sizes.lock();
        match step {
            Step::Fetch {
                app,
                release,
                contents,
                ..
            } => {
                let key = (app.clone(), *release);
                sizes.releases.insert(key, Arc::clone(contents));
            }
            Step::Start { dyno, release, .. } | Step::Run { dyno, release, .. } => {
                let release = sizes.releases.get(&(dyno.app.clone(), *release));
                let spec = release.and_then(|release| release.processes.get(&dyno.dyno.process));
                let bytes = spec.map_or(0, |spec| spec.limits.memory_bytes);
                sizes.memory_bytes.insert(dyno.clone(), bytes);
            }
            Step::Forget { app, release, .. } => {
                sizes.releases.remove(&(app.clone(), *release));
            }
            _ => {}
        }
    }

    /// Takes a one-off dyno before it starts.
    pub(super) fn record_one_off(&self, dyno: &DynoKey, memory_bytes: u64) {
        let Some((_, sizes)) = &self.0 else { return };
        let mut sizes = sizes.lock();
        sizes.memory_bytes.insert(dyno.clone(), memory_bytes);
    }

    /// Takes a report of the dynos.
    pub(super) fn record_report(&self, report: &Report) {
        let Some((recorder, sizes)) = &self.0 else {
            return;
        };
        let mut sizes = sizes.lock();
        match report {
            // `Idle`: a dyno that was started asleep has no `Up`.
            Report::Up { dyno, .. } | Report::Idle { dyno, .. } => {
                let bytes = sizes.memory_bytes.get(dyno).copied().unwrap_or_default();
                drop(sizes);
                recorder.record_change(dyno, bytes, true);
            }
            Report::Crashed { dyno, .. }
            | Report::Exited { dyno, .. }
            | Report::Down { dyno, .. } => {
                let bytes = sizes.memory_bytes.remove(dyno).unwrap_or_default();
                drop(sizes);
                recorder.record_change(dyno, bytes, false);
            }
            _ => {}
        }
    }
}

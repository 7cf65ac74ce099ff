//! The dynos of this machine: steps in, reports out.
//!
//! Every dyno that was started is listed until its end was reported. It is either starting, parked here, or in use by a
//! router, and it may sleep in the last two. Must not decide anything: what to start and stop is the planner's business.
//!
//! Tasks: one for each `Fetch`, one for each dyno that starts and one for each program that runs by itself, on the
//! runtime that calls [`Fleet::step`]. Each task ends by itself or with the step that stops it. Reports leave through the
//! sink in [`FleetConfig`], which must not block.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use grid::name::{AppName, DynoKey, NodeId, ReleaseId};
use grid::protocol::{Step, StopReason};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::code::LoadedPrograms;
use crate::code::compile::Compiler;
use crate::engine::Engines;
use crate::fleet::dyno::LocalDyno;
use crate::fleet::fetch::{fetch_release, run_once};
use crate::fleet::replacement::Replacements;
use crate::fleet::shared::{DynoPlace, FleetShared, ReportSink};
use crate::fleet::start::start_dyno;
use crate::guest::network::egress::EgressPolicy;
use crate::guest::network::shared::NodeNetwork;
use crate::guest::stdio::logs::LogSink;
use crate::instance::store::BootContext;
use crate::program::oneoff::{OneOffGuest, RunningOneOffGuest};
use crate::release::PrepareError;
use crate::release::source::SlugSource;

/// Releases that are made ready at a time; the others wait. Each may compile, in a process of its own.
const FETCHES_MAX: usize = 8;
/// Slugs that are read at a time, of those releases: each takes a thread and some MiB while it is unpacked.
const UNPACKS_MAX: usize = 2;

/// The configuration of a [`Fleet`].
pub struct FleetConfig {
    /// The machine's name.
    pub id: NodeId,
    /// The engines of this process.
    pub engines: Arc<Engines>,
    /// Turns components into native code.
    pub compiler: Compiler,
    /// The source of slugs.
    pub slugs: SlugSource,
    /// The folder in which dynos keep `./tmp` and `./log`. Emptied at the start, and used by this value alone.
    pub work: PathBuf,
    /// The destinations that guests may connect to.
    pub egress: EgressPolicy,
    /// Takes the lines of apps' logs.
    pub logs: LogSink,
    /// Takes the reports of dynos and releases.
    pub reports: ReportSink,
}

/// The dynos of this machine.
#[derive(Clone)]
pub struct Fleet(Arc<FleetShared>);

impl Fleet {
    /// A machine without releases and dynos. Removes what an earlier process left in `work`.
    pub fn new(config: FleetConfig) -> std::io::Result<Fleet> {
        match std::fs::remove_dir_all(&config.work) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => std::fs::create_dir_all(&config.work)?,
        }
        Ok(Fleet(Arc::new(FleetShared {
            id: config.id,
            context: Arc::new(BootContext {
                engines: config.engines,
                network: NodeNetwork::new(config.egress),
                work: config.work,
            }),
            compiler: config.compiler,
            loaded: LoadedPrograms::default(),
            fetches: Semaphore::new(FETCHES_MAX),
            unpacks: Semaphore::new(UNPACKS_MAX),
            slugs: config.slugs,
            logs: config.logs,
            reports: config.reports,
            one_offs: AtomicU64::default(),
            ports: Arc::default(),
            replacements: Replacements::default(),
            state: Mutex::default(),
        })))
    }

    /// Begins a step for this machine; the result is reported. Steps for routers and the ledger are ignored.
    pub fn step(&self, step: Step) {
        let shared = &self.0;
        match step {
            Step::Fetch {
                app,
                release,
                contents,
                ..
            } => fetch_release(shared, app, release, contents),
            Step::Start {
                dyno,
                release,
                asleep,
                ..
            } => start_dyno(shared, dyno, release, asleep),
            Step::Drain { dyno, .. } => shared.drain(&dyno),
            Step::Stop { dyno, reason, .. } => {
                if reason == StopReason::BootTimeout {
                    shared.replacements.note_boot_timeout(&dyno);
                }
                shared.stop(&dyno);
            }
            Step::Forget { app, release, .. } => self.forget(app, release),
            // The owner of this value runs a release process, with `run`.
            Step::Run { .. } => {}
            Step::Publish { .. } | Step::Withdraw { .. } | Step::Record { .. } => {}
        }
    }

    /// Makes a program ready, as `Fetch` does, and runs it once. The program is no dyno of the plan: no step names it.
    pub async fn run(&self, one_off: OneOffGuest) -> Result<RunningOneOffGuest, PrepareError> {
        run_once(&self.0, one_off).await
    }

    /// Hands out a dyno that is up and parked, to the router that is to use it.
    pub fn take(&self, key: &DynoKey) -> Option<LocalDyno> {
        let mut state = self.0.state();
        let entry = state.dynos.get_mut(key)?;
        if entry.draining || !matches!(entry.place, DynoPlace::Parked(_)) {
            return None;
        }
        match std::mem::replace(&mut entry.place, DynoPlace::InUse) {
            DynoPlace::Parked(form) => {
                let life = Arc::clone(&entry.life);
                Some(LocalDyno::new(form, life, Arc::clone(&self.0)))
            }
            _ => None,
        }
    }

    /// The number of dynos, starting ones included.
    pub fn dynos(&self) -> usize {
        self.0.state().dynos.len()
    }

    /// Drops a release that was made ready.
    fn forget(&self, app: AppName, release: ReleaseId) {
        let mut state = self.0.state();
        let processes = state.releases.remove(&(app.clone(), release));
        if !state.releases.keys().any(|(other, _)| *other == app) {
            self.0.replacements.forget_app(&app);
        }
        drop(state);
        drop(processes);
    }
}

//! The list of this machine's dynos, and what becomes of each: parked, in use, draining, gone.
//!
//! A dyno is listed from its start until its end was reported. Owns the reports of dynos. Must not know how a dyno
//! starts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use grid::name::{AppName, DynoKey, NodeId, ReleaseId};
use grid::protocol::{CrashCause, Report};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::code::LoadedPrograms;
use crate::code::compile::Compiler;
use crate::crash::DynoCrash;
use crate::fleet::form::DynoForm;
use crate::fleet::replacement::Replacements;
use crate::guest::network::port::PortNumbers;
use crate::guest::stdio::logs::{DynoLog, LogSink};
use crate::instance::store::BootContext;
use crate::life::DynoLife;
use crate::program::background::BackgroundProgram;
use crate::release::PreparedProcesses;
use crate::release::source::SlugSource;

/// Takes reports; must neither block nor lose any.
pub type ReportSink = Arc<dyn Fn(Report) + Send + Sync>;

/// State that the dynos of this machine share.
pub(crate) struct FleetShared {
    pub(super) id: NodeId,
    pub(super) context: Arc<BootContext>,
    pub(super) compiler: Compiler,
    pub(super) loaded: LoadedPrograms,
    pub(super) slugs: SlugSource,
    /// Limits the releases that are made ready at a time.
    pub(super) fetches: Semaphore,
    /// Limits the slugs that are unpacked at a time.
    pub(super) unpacks: Semaphore,
    pub(super) logs: LogSink,
    pub(super) reports: ReportSink,
    /// The number of one-offs started so far.
    pub(super) one_offs: AtomicU64,
    /// The numbers for servers' `$PORT`.
    pub(super) ports: Arc<PortNumbers>,
    pub(super) replacements: Replacements,
    pub(super) state: Mutex<FleetState>,
}

/// The releases that are ready on this machine, and its dynos.
#[derive(Default)]
pub(super) struct FleetState {
    pub(super) releases: HashMap<(AppName, ReleaseId), Arc<PreparedProcesses>>,
    pub(super) dynos: HashMap<DynoKey, FleetDyno>,
}

/// A dyno in the list.
pub(super) struct FleetDyno {
    pub(super) life: Arc<DynoLife>,
    pub(super) place: DynoPlace,
    /// The dyno takes no new request, and ends as soon as it is free.
    pub(super) draining: bool,
    /// The dyno's program, if it runs by itself.
    pub(super) program: Option<BackgroundProgram>,
}

/// The place of a dyno.
pub(super) enum DynoPlace {
    /// The dyno boots, in this task.
    Starting(AbortHandle),
    /// The dyno is up, and no router uses it.
    Parked(DynoForm),
    /// A router has it: it is free there, or runs a call.
    InUse,
}

impl FleetShared {
    pub(super) fn state(&self) -> MutexGuard<'_, FleetState> {
        self.state.lock()
    }

    pub(super) fn report(&self, report: Report) {
        (self.reports)(report);
    }

    /// The log of a dyno.
    pub(super) fn log_of(&self, key: &DynoKey) -> DynoLog {
        DynoLog {
            app: key.app.clone(),
            dyno: key.dyno.clone(),
            sink: Arc::clone(&self.logs),
        }
    }

    /// Notes that a dyno is up, and parks it if it takes requests.
    pub(super) fn note_up(&self, life: &DynoLife, form: Option<DynoForm>) {
        let mut state = self.state();
        // A dyno that was stopped while it started is no longer in the list, and was reported as down.
        let Some(entry) = state.dynos.get_mut(&life.key) else {
            return;
        };
        if entry.draining {
            return;
        }
        if let Some(form) = form {
            entry.place = DynoPlace::Parked(form);
        }
        drop(state);
        self.report(Report::Up {
            node: self.id.clone(),
            dyno: life.key.clone(),
        });
    }

    /// Reports that a dyno gave its memory back.
    pub(super) fn report_idle(&self, key: &DynoKey) {
        self.report(Report::Idle {
            node: self.id.clone(),
            dyno: key.clone(),
        });
    }

    /// Reports that a dyno that slept is awake.
    pub(super) fn report_woke(&self, key: &DynoKey) {
        self.report(Report::Woke {
            node: self.id.clone(),
            dyno: key.clone(),
        });
    }

    /// Parks a free dyno that its router no longer uses, or ends it if it is draining.
    pub(super) fn give_back(&self, life: &DynoLife, form: DynoForm) {
        let mut state = self.state();
        let Some(entry) = state.dynos.get_mut(&life.key) else {
            return;
        };
        match &mut entry.program {
            // The program's own task reports its end.
            Some(program) if entry.draining => {
                program.ask_to_end();
                if !program.hears_of_end {
                    entry.place = DynoPlace::Parked(form);
                }
            }
            None if entry.draining => {
                let ended = state.dynos.remove(&life.key);
                drop(state);
                drop((form, ended));
                self.report_down(&life.key);
            }
            _ => entry.place = DynoPlace::Parked(form),
        }
    }

    /// Notes that an instance ended by itself or was killed; nothing of the instance is left.
    pub(super) fn note_ended(&self, life: &DynoLife, crash: DynoCrash) {
        let Some(entry) = self.state().dynos.remove(&life.key) else {
            return;
        };
        if entry.draining && life.is_stopped() {
            self.report_down(&life.key);
        } else {
            self.report_crash(life, crash);
        }
    }

    /// Notes that the program of a dyno has ended; nothing of the program is left.
    pub(super) fn note_program_ended(&self, life: &DynoLife) {
        let Some(entry) = self.state().dynos.remove(&life.key) else {
            return;
        };
        if entry.draining {
            return self.report_down(&life.key);
        }
        let crash = life.take_crash().unwrap_or_else(|| DynoCrash {
            reason: "the platform failed while it ran".to_owned(),
            cause: CrashCause::Discarded,
            in_request: false,
        });
        let in_request = crash.in_request || life.is_in_call();
        self.report_crash(
            life,
            DynoCrash {
                in_request,
                ..crash
            },
        );
    }

    /// Reports a crash; if a request caused it, the dyno's next start is a replacement.
    pub(super) fn report_crash(&self, life: &DynoLife, crash: DynoCrash) {
        if crash.in_request {
            self.replacements.expect_replacement(&life.key);
        }
        self.report(Report::Crashed {
            node: self.id.clone(),
            dyno: life.key.clone(),
            reason: crash.reason,
            cause: crash.cause,
            served: life.has_served(),
            in_request: crash.in_request,
        });
    }

    fn report_down(&self, key: &DynoKey) {
        self.report(Report::Down {
            node: self.id.clone(),
            dyno: key.clone(),
        });
    }

    /// Makes a dyno end as soon as it is free.
    pub(super) fn drain(&self, key: &DynoKey) {
        let mut state = self.state();
        match state.dynos.get_mut(key) {
            Some(entry) if entry.program.is_some() => {
                entry.draining = true;
                // A router that uses the dyno gives it back when its request is done.
                let is_free = matches!(entry.place, DynoPlace::Parked(_));
                let mut unused = DynoPlace::InUse;
                if let Some(program) = &mut entry.program
                    && (is_free || !program.serves)
                {
                    program.ask_to_end();
                    if program.hears_of_end {
                        std::mem::swap(&mut entry.place, &mut unused);
                    }
                }
                drop(state);
                drop(unused);
            }
            Some(FleetDyno {
                place: DynoPlace::InUse,
                draining,
                ..
            }) => *draining = true,
            _ => self.remove(state, key),
        }
    }

    /// Ends a dyno now, whatever it does.
    pub(super) fn stop(&self, key: &DynoKey) {
        let mut state = self.state();
        match state.dynos.get_mut(key) {
            Some(entry) if entry.program.is_some() => {
                entry.draining = true;
                // The connection to a server goes with its entry, when the program has ended.
                let life = Arc::clone(&entry.life);
                drop(state);
                life.stop();
                life.end_program(&DynoCrash {
                    reason: "stopped".to_owned(),
                    cause: CrashCause::Discarded,
                    in_request: false,
                });
            }
            Some(entry) if matches!(entry.place, DynoPlace::InUse) => {
                entry.draining = true;
                let life = Arc::clone(&entry.life);
                drop(state);
                life.stop();
            }
            _ => self.remove(state, key),
        }
    }

    /// Ends a dyno that is starting or parked. Reports the end of a dyno that is already gone once more.
    fn remove(&self, mut state: MutexGuard<'_, FleetState>, key: &DynoKey) {
        let entry = state.dynos.remove(key);
        drop(state);
        if let Some(FleetDyno {
            place: DynoPlace::Starting(task),
            ..
        }) = &entry
        {
            task.abort();
        }
        drop(entry);
        self.report_down(key);
    }
}

//! The dynos of this machine: steps in, reports out.
//!
//! Owns which releases are ready here and which dynos exist. Every dyno that was started is listed
//! until its end was reported; it is either starting, parked here, or out with a router, and it may
//! sleep in the last two. Must not
//! decide anything: what to start and stop is the planner's business.
//!
//! Tasks: one per `Fetch`, one per dyno that starts and one per program that runs by itself, on the
//! runtime that calls [`Node::step`]; each ends by itself or with the step that stops it. Reports leave through the
//! sink that [`NodeConfig`] names; it must not block.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use grid::desired::{ProcessKind, Release};
use grid::name::{AppName, DynoKey, NodeId, Version};
use grid::protocol::{CrashCause, Report, Step, StopReason};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::code::Loaded;
use crate::code::compile::Compiler;
use crate::engine::Engines;
use crate::fleet::dyno::{Dyno, boot_crash};
use crate::fleet::replacement::{Core, OnOneCore, Replacements};
use crate::guest::network::egress::Egress;
use crate::guest::network::port::Numbers;
use crate::guest::network::shared::Network;
use crate::guest::stdio::logs::{LogSink, Voice};
use crate::instance::{Form, boot};
use crate::life::{Crash, Life};
use crate::program::background::Background;
use crate::program::oneoff::{OneOff, Running};
use crate::program::process::Setup;
use crate::release::source::{SlugSource, Unpacked};
use crate::release::{PrepareError, Processes, Workshop, prepare, prepare_once};

/// Releases that are made ready at a time; the others wait. Each may compile, in a process of its own.
const FETCHES_MAX: usize = 8;
/// Of these, slugs that are read at a time: each takes a thread and some MiB while it is unpacked.
const UNPACKS_MAX: usize = 2;

/// Takes reports; must neither block nor lose any.
pub type ReportSink = Arc<dyn Fn(Report) + Send + Sync>;

/// What a node needs.
pub struct NodeConfig {
    /// Its name.
    pub id: NodeId,
    /// The engines of this process.
    pub engines: Arc<Engines>,
    /// Turns components into native code.
    pub compiler: Compiler,
    /// Where slugs come from.
    pub slugs: SlugSource,
    /// Where dynos keep `./tmp` and `./log`; emptied at the start, and used by this node alone.
    pub work: PathBuf,
    /// What guests may reach.
    pub egress: Egress,
    /// Takes the lines of apps' logs.
    pub logs: LogSink,
    /// Takes what happens here.
    pub reports: ReportSink,
}

/// The dynos of this machine.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

pub(crate) struct Shared {
    id: NodeId,
    pub(crate) engines: Arc<Engines>,
    compiler: Compiler,
    loaded: Loaded,
    slugs: SlugSource,
    fetches: Semaphore,
    unpacks: Semaphore,
    work: PathBuf,
    pub(crate) network: Arc<Network>,
    logs: LogSink,
    reports: ReportSink,
    /// One-offs that were begun.
    one_offs: AtomicU64,
    /// Where servers listen.
    pub(crate) ports: Arc<Numbers>,
    replacements: Replacements,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    releases: HashMap<(AppName, Version), Arc<Processes>>,
    dynos: HashMap<DynoKey, Entry>,
}

struct Entry {
    life: Arc<Life>,
    place: Place,
    /// Nothing new for it: it ends as soon as it is free.
    draining: bool,
    /// Its program, if that runs by itself.
    program: Option<Background>,
}

enum Place {
    Starting(AbortHandle),
    Parked(Form),
    /// With a router: free there, or in a call.
    Out,
}

impl Node {
    /// A node without releases and dynos. Removes what an earlier one left in `work`.
    pub fn new(config: NodeConfig) -> std::io::Result<Node> {
        match std::fs::remove_dir_all(&config.work) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => std::fs::create_dir_all(&config.work)?,
        }
        Ok(Node(Arc::new(Shared {
            id: config.id,
            engines: config.engines,
            compiler: config.compiler,
            loaded: Loaded::default(),
            fetches: Semaphore::new(FETCHES_MAX),
            unpacks: Semaphore::new(UNPACKS_MAX),
            slugs: config.slugs,
            work: config.work,
            network: Network::new(config.egress),
            logs: config.logs,
            reports: config.reports,
            one_offs: AtomicU64::default(),
            ports: Arc::default(),
            replacements: Replacements::default(),
            state: Mutex::default(),
        })))
    }

    /// Begins a step for this node; what comes of it is reported. Steps for routers and the ledger
    /// are not for here and are ignored.
    pub fn step(&self, step: Step) {
        let shared = &self.0;
        match step {
            Step::Fetch { app, release, .. } => shared.fetch(app, release),
            Step::Start {
                dyno,
                version,
                asleep,
                ..
            } => shared.start(dyno, version, asleep),
            Step::Drain { dyno, .. } => shared.drain(&dyno),
            Step::Stop { dyno, reason, .. } => {
                if reason == StopReason::BootTimeout {
                    shared.replacements.boots_again(&dyno);
                }
                shared.stop(&dyno);
            }
            Step::Forget { app, version, .. } => shared.forget(app, version),
            // Who has this node runs a release process too: see `run`.
            Step::Run { .. } => {}
            Step::Publish { .. } | Step::Withdraw { .. } | Step::Record { .. } => {}
        }
    }

    /// Makes a program ready, as `Fetch` does, and runs it once. It is no dyno of the plan: no step names it.
    pub async fn run(&self, one_off: OneOff) -> Result<Running, PrepareError> {
        self.0.run(one_off).await
    }

    /// The dyno, if it is up and nobody has it: for the router that is told to use it.
    pub fn take(&self, key: &DynoKey) -> Option<Dyno> {
        let mut state = self.0.state();
        let entry = state.dynos.get_mut(key)?;
        if entry.draining || !matches!(entry.place, Place::Parked(_)) {
            return None;
        }
        match std::mem::replace(&mut entry.place, Place::Out) {
            Place::Parked(form) => {
                let life = Arc::clone(&entry.life);
                Some(Dyno::new(form, life, Arc::clone(&self.0)))
            }
            _ => None,
        }
    }

    /// How many dynos there are, starting ones included.
    pub fn dynos(&self) -> usize {
        self.0.state().dynos.len()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, report: Report) {
        (self.reports)(report);
    }

    fn fetch(self: &Arc<Self>, app: AppName, release: Arc<Release>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let version = release.version;
            let turn = shared.fetches.acquire().await;
            let result = shared.ready(&app, &release).await.map(|processes| {
                let key = (app.clone(), version);
                shared.state().releases.insert(key, Arc::new(processes));
            });
            drop(turn);
            shared.report(Report::Fetched {
                node: shared.id.clone(),
                app,
                version,
                result,
            });
        });
    }

    fn forget(&self, app: AppName, version: Version) {
        let mut state = self.state();
        let release = state.releases.remove(&(app.clone(), version));
        if !state.releases.keys().any(|(other, _)| *other == app) {
            self.replacements.forget_app(&app);
        }
        drop(state);
        drop(release);
    }

    async fn ready(&self, app: &AppName, release: &Arc<Release>) -> Result<Processes, String> {
        let unpacked = self.unpacked(release).await?;
        let processes = prepare(self.workshop(), app, release, &unpacked);
        processes.await.map_err(|e| chain(&e))
    }

    async fn unpacked(&self, release: &Release) -> Result<Unpacked, String> {
        let (slugs, id) = (Arc::clone(&self.slugs), release.slug);
        let _turn = self.unpacks.acquire().await;
        let unpacked = tokio::task::spawn_blocking(move || slugs(id));
        unpacked.await.map_err(|e| e.to_string())?
    }

    fn workshop(&self) -> Workshop<'_> {
        Workshop {
            engines: &self.engines,
            compiler: &self.compiler,
            loaded: &self.loaded,
        }
    }

    async fn run(self: &Arc<Self>, one_off: OneOff) -> Result<Running, PrepareError> {
        let OneOff {
            key,
            release,
            app,
            command,
            env,
            platform_vars,
            stdio,
            folders,
        } = one_off;
        let turn = self.fetches.acquire().await;
        let unpacked = self.unpacked(&release).await.map_err(PrepareError::Slug)?;
        let ready = prepare_once(
            self.workshop(),
            (&app, &release),
            &unpacked,
            (&key.dyno, command),
            (env, platform_vars),
        );
        let ready = Arc::new(ready.await?);
        drop(turn);
        // No name of an app has a dot: it is nobody else's.
        let number = self.one_offs.fetch_add(1, Ordering::Relaxed);
        let setup = Setup {
            home: self.work.join(format!("once.{number}")),
            stdio,
            folders,
            port: None,
        };
        let life = Arc::new(Life::new(key.clone(), Arc::new(self.voice(&key))));
        Ok(Running::begin(Arc::clone(self), ready, life, setup))
    }

    fn start(self: &Arc<Self>, key: DynoKey, version: Version, asleep: bool) {
        let mut state = self.state();
        if state.dynos.contains_key(&key) {
            return;
        }
        let processes = state.releases.get(&(key.app.clone(), version));
        let ready = processes.and_then(|p| p.get(&key.dyno.process)).cloned();
        let life = Arc::new(Life::new(key.clone(), Arc::new(self.voice(&key))));
        let Some(ready) = ready else {
            drop(state);
            let reason = format!("{version} has no {} that runs here", key.dyno.process);
            return self.crashed(
                &life,
                Crash {
                    reason,
                    cause: CrashCause::Boot,
                    in_request: false,
                },
            );
        };
        let core = self.replacements.take_core(&key);
        if ready.kind != ProcessKind::Handler {
            let program = Background::begin(self, ready, &life, core);
            let entry = Entry {
                life,
                place: Place::Out,
                draining: false,
                program: Some(program),
            };
            state.dynos.insert(key, entry);
            return;
        }
        if asleep {
            ready.rest();
            let entry = Entry {
                life: Arc::clone(&life),
                place: Place::Parked(Form::Asleep(ready)),
                draining: false,
                program: None,
            };
            state.dynos.insert(key.clone(), entry);
            drop(state);
            return self.report(Report::Idle {
                node: self.id.clone(),
                dyno: key,
            });
        }
        let (shared, starting) = (Arc::clone(self), Arc::clone(&life));
        let task = tokio::spawn(async move {
            let place = Core::enter(core.as_ref()).await;
            let boot = Box::pin(boot(&shared, ready, Arc::clone(&starting)));
            let booted = OnOneCore::new(core, boot).await;
            drop(place);
            match booted {
                Ok(instance) => shared.up(&starting, Some(Form::Awake(instance))),
                Err(error) => shared.ended(&starting, boot_crash(&error, &starting.voice)),
            }
        });
        let entry = Entry {
            life,
            place: Place::Starting(task.abort_handle()),
            draining: false,
            program: None,
        };
        state.dynos.insert(key, entry);
    }

    /// Where a dyno keeps its folders.
    pub(crate) fn home(&self, key: &DynoKey) -> PathBuf {
        self.work.join(format!("{}-{}", key.app, key.run.0))
    }

    fn voice(&self, key: &DynoKey) -> Voice {
        Voice {
            app: key.app.clone(),
            dyno: key.dyno.clone(),
            sink: Arc::clone(&self.logs),
        }
    }

    /// A dyno is ready, and with a form for requests.
    pub(crate) fn up(&self, life: &Life, form: Option<Form>) {
        let mut state = self.state();
        // Gone from the list: stopped while it started, and reported as that.
        let Some(entry) = state.dynos.get_mut(&life.key) else {
            return;
        };
        if entry.draining {
            return;
        }
        if let Some(form) = form {
            entry.place = Place::Parked(form);
        }
        drop(state);
        self.report(Report::Up {
            node: self.id.clone(),
            dyno: life.key.clone(),
        });
    }

    /// A dyno gave its memory back.
    pub(crate) fn idle(&self, life: &Life) {
        self.report(Report::Idle {
            node: self.id.clone(),
            dyno: life.key.clone(),
        });
    }

    /// A dyno that slept is awake.
    pub(crate) fn woke(&self, life: &Life) {
        self.report(Report::Woke {
            node: self.id.clone(),
            dyno: life.key.clone(),
        });
    }

    /// A router has no more use for a free dyno.
    pub(crate) fn give_back(&self, life: &Life, form: Form) {
        let mut state = self.state();
        let Some(entry) = state.dynos.get_mut(&life.key) else {
            return;
        };
        match &mut entry.program {
            // Its own task tells when it has ended.
            Some(program) if entry.draining => {
                program.wind_down();
                if !program.hears_of_end {
                    entry.place = Place::Parked(form);
                }
            }
            None if entry.draining => {
                let ended = state.dynos.remove(&life.key);
                drop(state);
                drop((form, ended));
                self.down(&life.key);
            }
            _ => entry.place = Place::Parked(form),
        }
    }

    /// An instance ended by itself or was killed; nothing of it is left.
    pub(crate) fn ended(&self, life: &Life, crash: Crash) {
        let Some(entry) = self.state().dynos.remove(&life.key) else {
            return;
        };
        if entry.draining && life.stopped() {
            self.down(&life.key);
        } else {
            self.crashed(life, crash);
        }
    }

    /// The program of a dyno has ended; nothing of it is left.
    pub(crate) fn left(&self, life: &Life) {
        let Some(entry) = self.state().dynos.remove(&life.key) else {
            return;
        };
        if entry.draining {
            return self.down(&life.key);
        }
        let crash = life.verdict().unwrap_or_else(|| Crash {
            reason: "the platform failed while it ran".to_owned(),
            cause: CrashCause::Discarded,
            in_request: false,
        });
        let in_request = crash.in_request || life.in_call();
        self.crashed(
            life,
            Crash {
                in_request,
                ..crash
            },
        );
    }

    fn crashed(&self, life: &Life, crash: Crash) {
        if crash.in_request {
            self.replacements.expect_replacement(&life.key);
        }
        self.report(Report::Crashed {
            node: self.id.clone(),
            dyno: life.key.clone(),
            reason: crash.reason,
            cause: crash.cause,
            served: life.served(),
            in_request: crash.in_request,
        });
    }

    fn down(&self, key: &DynoKey) {
        self.report(Report::Down {
            node: self.id.clone(),
            dyno: key.clone(),
        });
    }

    fn drain(&self, key: &DynoKey) {
        let mut state = self.state();
        match state.dynos.get_mut(key) {
            Some(entry) if entry.program.is_some() => {
                entry.draining = true;
                // A router that has it gives it back when its request is done.
                let is_free = matches!(entry.place, Place::Parked(_));
                let mut unused = Place::Out;
                if let Some(program) = &mut entry.program
                    && (is_free || !program.serves)
                {
                    program.wind_down();
                    if program.hears_of_end {
                        std::mem::swap(&mut entry.place, &mut unused);
                    }
                }
                drop(state);
                drop(unused);
            }
            Some(Entry {
                place: Place::Out,
                draining,
                ..
            }) => *draining = true,
            _ => self.remove(state, key),
        }
    }

    fn stop(&self, key: &DynoKey) {
        let mut state = self.state();
        match state.dynos.get_mut(key) {
            Some(entry) if entry.program.is_some() => {
                entry.draining = true;
                // Its connection goes with its entry, when the program has ended.
                let life = Arc::clone(&entry.life);
                drop(state);
                life.stop();
                life.end(&Crash {
                    reason: "stopped".to_owned(),
                    cause: CrashCause::Discarded,
                    in_request: false,
                });
            }
            Some(entry) if matches!(entry.place, Place::Out) => {
                entry.draining = true;
                let life = Arc::clone(&entry.life);
                drop(state);
                life.stop();
            }
            _ => self.remove(state, key),
        }
    }

    /// Ends a dyno that is here, or says once more that it is gone.
    fn remove(&self, mut state: MutexGuard<'_, State>, key: &DynoKey) {
        let entry = state.dynos.remove(key);
        drop(state);
        if let Some(Entry {
            place: Place::Starting(task),
            ..
        }) = &entry
        {
            task.abort();
        }
        drop(entry);
        self.down(key);
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

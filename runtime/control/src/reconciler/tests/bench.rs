//! A reconciler with a fake node. The first byte of a slug decides how the node answers steps.

use crate::actor::Actor;
use crate::command::{Command, DeployConfig, ReleaseSpec};
use crate::handle::{Control, ControlError};
use crate::ledger::{Ledger, MemoryLedger, Seq};
use crate::log_event::{EventSource, LogEvent};
use crate::once::OneOffStart;
use crate::reconciler::{
    LedgerClock, Reconciler, ReconcilerOptions, ReconcilerOutputs, ReconcilerRunError, start,
};
use crate::view::ReleaseOutcome;
use grid::desired::{ProcessKind, ProcessSpec, Release};
use grid::name::{AppName, DynoKey, NodeId, ProcessType, ReleaseId, SlugId, Version};
use grid::protocol::{CrashCause, Inventory, ProcessExit, Report, Route, RouteTarget, Step};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The behaviours of a fake node's dynos, by the first byte of the release's slug.
pub(super) const GOOD: u8 = 0;
pub(super) const CRASHES: u8 = 1;
pub(super) const NEVER_UP: u8 = 2;
pub(super) const NO_SLUG: u8 = 3;
pub(super) const NEVER_DRAINS: u8 = 4;
/// The release process of the release ends with exit code 3.
pub(super) const RELEASE_FAILS: u8 = 5;

/// The time of the reconciler's clock, unless a test sets another one.
pub(super) const NOW_MS: u64 = 1_000;

/// How often the node repeats each report, so that few steps fill the event channel.
pub(super) const REPEATS: usize = 8;

/// The history on the node's side.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) route: Option<Route>,
    /// Slug bytes by release, as fetched.
    pub(super) slugs: BTreeMap<Version, u8>,
    pub(super) running: BTreeMap<DynoKey, Version>,
    pub(super) logs: Vec<LogEvent>,
    /// One-off dynos that were to start.
    pub(super) one_offs: Vec<OneOffStart>,
}

pub(super) struct Bench {
    pub(super) control: Control,
    pub(super) running: JoinHandle<Result<(), ReconcilerRunError>>,
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) ledger: Arc<dyn Ledger>,
}

pub(super) fn app() -> AppName {
    "hello".parse().expect("valid")
}

pub(super) fn node() -> NodeId {
    "local".parse().expect("valid")
}

pub(super) fn inventory() -> Report {
    Report::Node(Inventory::new_local(node(), 1 << 40, 1_000))
}

fn answer_fetch(
    seen: &mut Seen,
    node: NodeId,
    app: AppName,
    release: ReleaseId,
    contents: &Release,
) -> Report {
    let byte = contents.slug.bytes()[0];
    seen.slugs.insert(release.version, byte);
    let result = match byte {
        NO_SLUG => Err("no such slug".into()),
        _ => Ok(()),
    };
    Report::Fetched {
        node,
        app,
        release,
        result,
    }
}

pub(super) fn answer(step: Step, seen: &Mutex<Seen>) -> Option<(Duration, Report)> {
    let mut seen = seen.lock().expect("not poisoned");
    let soon = Duration::from_millis(10);
    match step {
        Step::Run {
            node,
            dyno,
            release,
        } => {
            let code = if seen.slugs[&release.version] == RELEASE_FAILS {
                3
            } else {
                0
            };
            let exit = ProcessExit::Code(code);
            Some((soon, Report::Exited { node, dyno, exit }))
        }
        Step::Fetch {
            node,
            app,
            release,
            contents,
        } => Some((soon, answer_fetch(&mut seen, node, app, release, &contents))),
        Step::Start {
            node,
            dyno,
            release,
            ..
        } => match seen.slugs[&release.version] {
            NEVER_UP => None,
            CRASHES => Some((soon, crashed(dyno, CrashCause::Boot))),
            _ => {
                seen.running.insert(dyno.clone(), release.version);
                Some((soon, Report::Up { node, dyno }))
            }
        },
        Step::Drain { node, dyno, .. } => {
            let version = seen.running.get(&dyno).copied();
            if version.is_some_and(|version| seen.slugs[&version] == NEVER_DRAINS) {
                return None;
            }
            seen.running.remove(&dyno);
            Some((soon, Report::Down { node, dyno }))
        }
        Step::Stop { node, dyno, .. } => {
            seen.running.remove(&dyno);
            Some((soon, Report::Down { node, dyno }))
        }
        Step::Publish { route } => {
            seen.route = Some(route);
            None
        }
        Step::Withdraw { .. } | Step::Forget { .. } => None,
        Step::Record { .. } => panic!("a fact is not for the executor"),
    }
}

pub(super) fn crashed(dyno: DynoKey, cause: CrashCause) -> Report {
    Report::Crashed {
        node: node(),
        dyno,
        reason: "unreachable".into(),
        cause,
        served: false,
        in_request: false,
    }
}

impl Bench {
    /// Starts a reconciler on `ledger` with one node.
    pub(super) async fn on(ledger: Arc<dyn Ledger>) -> Self {
        Bench::with_clock(ledger, LedgerClock::new(|| NOW_MS)).await
    }

    /// Starts a reconciler with this clock on `ledger` with one node.
    pub(super) async fn with_clock(ledger: Arc<dyn Ledger>, clock: LedgerClock) -> Self {
        let options = ReconcilerOptions { clock, ..options() };
        let started = start(Arc::clone(&ledger), options).await;
        let (reconciler, control, mut outputs) = started.expect("starts");
        let running = tokio::spawn(reconciler.run());
        let seen = Arc::new(Mutex::new(Seen::default()));
        control.send_report(inventory()).await.expect("listens");
        let (shared, reporter) = (Arc::clone(&seen), control.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    Some(one_off) = outputs.one_offs.recv() => {
                        shared.lock().expect("not poisoned").one_offs.push(one_off);
                    }
                    Some(step) = outputs.steps.recv() => {
                        if let Some((delay, report)) = answer(step, &shared) {
                            let reporter = reporter.clone();
                            tokio::spawn(async move {
                                sleep(delay).await;
                                let _ = reporter.send_report(report).await;
                            });
                        }
                    }
                    Some(line) = outputs.logs.recv() => {
                        shared.lock().expect("not poisoned").logs.push(line);
                    }
                    else => return,
                }
            }
        });
        Bench {
            control,
            running,
            seen,
            ledger,
        }
    }

    /// Starts a reconciler whose app has one good release.
    pub(super) async fn new() -> Self {
        Bench::deployed_on(Arc::new(MemoryLedger::new())).await
    }

    pub(super) async fn deployed_on(ledger: Arc<dyn Ledger>) -> Self {
        let bench = Bench::on(ledger).await;
        let hostnames = vec!["hello.localhost".parse().expect("valid")];
        bench
            .accept(Command::CreateApp {
                app: app(),
                hostnames,
            })
            .await;
        assert_eq!(bench.deploy(GOOD).await, ReleaseOutcome::Serving);
        bench
    }

    pub(super) async fn accept(&self, command: Command) -> Option<Version> {
        let accepted = self.control.execute_command(command, me(), None).await;
        accepted.expect("accepted").version
    }

    pub(super) async fn refuse(&self, command: Command) {
        let answer = self.control.execute_command(command, me(), None).await;
        assert!(
            matches!(answer, Err(ControlError::Rejected(_))),
            "{answer:?}"
        );
    }

    pub(super) async fn deploy(&self, slug: u8) -> ReleaseOutcome {
        let version = self.accept(deployed(slug)).await.expect("a release");
        self.outcome(version).await
    }

    pub(super) async fn outcome(&self, version: Version) -> ReleaseOutcome {
        let app = app();
        let outcome = self.control.wait_for_outcome(&app, version);
        timeout(Duration::from_secs(600), outcome)
            .await
            .expect("in time")
            .expect("listens")
    }

    pub(super) async fn scale(&self, count: u32) {
        let counts = BTreeMap::from([(ProcessType::web(), count)]);
        let app = app();
        let sizes = BTreeMap::new();
        self.accept(Command::Scale { app, counts, sizes }).await;
        sleep(Duration::from_secs(1)).await;
    }

    pub(super) fn route(&self) -> Route {
        self.seen
            .lock()
            .expect("not poisoned")
            .route
            .clone()
            .expect("published")
    }

    pub(super) fn served(&self) -> Vec<DynoKey> {
        match self.route().target {
            RouteTarget::Dynos(dynos) => dynos.into_iter().map(|routed| routed.dyno).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn logs(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("not poisoned");
        let line = |event: &LogEvent| match &event.source {
            EventSource::Api => format!("api: {}", event.text),
            EventSource::Dyno(dyno) => format!("{dyno}: {}", event.text),
        };
        seen.logs.iter().map(line).collect()
    }

    pub(super) fn logged(&self, line: &str) -> bool {
        self.logs().iter().any(|logged| logged == line)
    }
}

pub(super) fn me() -> Actor {
    Actor::new("me")
}

pub(super) async fn begin(ledger: &Arc<dyn Ledger>) -> (Reconciler, Control, ReconcilerOutputs) {
    start(Arc::clone(ledger), options()).await.expect("starts")
}

pub(super) fn options() -> ReconcilerOptions {
    ReconcilerOptions {
        seed: 7,
        clock: LedgerClock::new(|| NOW_MS),
        ..ReconcilerOptions::default()
    }
}

/// How many entries the ledger has.
pub(super) async fn entries(ledger: &Arc<dyn Ledger>) -> usize {
    let entries = ledger.read(Seq::START, usize::MAX).await;
    entries.expect("reads").len()
}

pub(super) fn deployed(slug: u8) -> Command {
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let deploy = ReleaseSpec {
        slug: SlugId::new([slug; 32]),
        description: "Deploy".into(),
        config: DeployConfig::Own(BTreeMap::new()),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        formation: BTreeMap::from([(ProcessType::web(), 2)]),
    };
    Command::Deploy { app: app(), deploy }
}

pub(super) fn version(number: u32) -> Version {
    Version::new(number).expect("valid")
}

//! A ledger file that cannot grow, in a child process: apps keep running, and changes resume when it can grow again.

use crate::places::InSqlite;
use control::ledger::{Ledger, Seq, SqliteLedger};
use control::{
    Actor, Command, Control, ControlError, DeployConfig, ReconcilerOptions, ReconcilerOutputs,
    ReleaseOutcome, ReleaseSpec,
};
use grid::desired::{ProcessKind, ProcessSpec};
use grid::lifecycle::DynoState;
use grid::name::{AppName, DynoKey, NodeId, ProcessType, SlugId};
use grid::protocol::{CrashCause, Inventory, Report, Step};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// The environment variable that makes this program the child; its value is the ledger's folder.
const FOLDER: &str = "DYNO_TEST_FULL";
/// Maximum number of polls while waiting for a condition.
const LOOKS: usize = 3_000;

/// The file size is limited by `RLIMIT_FSIZE`: writes beyond the limit fail when `SIGXFSZ` is ignored.
#[test]
fn a_full_disk_refuses_changes_while_apps_keep_running() {
    let place = InSqlite::default();
    let database = place.database();
    let folder = database.parent().expect("in a folder");
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "full::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&child.stdout);
    let complained = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn child() {
    // The parent test starts this one with the variable set. Without the variable there is nothing to do.
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let ledger = SqliteLedger::open(&folder.join("ledger.db"), &folder.join("ledger.key"));
    let ledger: Arc<dyn Ledger> = Arc::new(ledger.expect("opens"));
    let options = ReconcilerOptions::default();
    let (reconciler, control, outputs) = control::start(Arc::clone(&ledger), options)
        .await
        .expect("starts");
    tokio::spawn(reconciler.run());
    tokio::spawn(node(control.clone(), outputs));
    let inventory = Inventory::new_local(node_id(), 1 << 40, 10);
    let report = Report::Node(inventory);
    control.send_report(report).await.expect("listens");
    deploy(&control).await;
    let first = up(&control, None).await;
    let kept = ledger.read(Seq::START, 1_000).await.expect("reads").len();

    limit(Some(log_bytes(&folder)));
    let refused = command(&control, maintenance(true)).await;
    assert!(
        matches!(refused, Err(ControlError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(control.watch_ledger_trouble().borrow().is_some());
    crash(&control, first.clone()).await;
    let second = up(&control, Some(&first)).await;
    let read = ledger.read(Seq::START, 1_000).await.expect("reads").len();
    assert_eq!(read, kept, "nothing was written");

    limit(None);
    command(&control, maintenance(true)).await.expect("room");
    assert!(control.view().desired.apps[&app()].maintenance);
    crash(&control, second).await;
    let read = ledger.read(Seq::START, 1_000).await.expect("reads").len();
    assert_eq!(read, kept + 1);
}

fn app() -> AppName {
    "hello".parse().expect("valid")
}

fn node_id() -> NodeId {
    "local".parse().expect("valid")
}

fn maintenance(on: bool) -> Command {
    Command::SetMaintenance { app: app(), on }
}

async fn command(
    control: &Control,
    command: Command,
) -> Result<control::AcceptedChange, ControlError> {
    control
        .execute_command(command, Actor::default(), None)
        .await
}

async fn deploy(control: &Control) {
    let (app, hostnames) = (app(), vec![]);
    let create = Command::CreateApp { app, hostnames };
    command(control, create).await.expect("accepted");
    let spec = ProcessSpec {
        kind: ProcessKind::Handler,
        limits: Arc::default(),
    };
    let deploy = ReleaseSpec {
        slug: SlugId::new([7; 32]),
        description: "Deploy".into(),
        config: DeployConfig::Own(BTreeMap::new()),
        processes: BTreeMap::from([(ProcessType::web(), spec)]),
        formation: BTreeMap::new(),
    };
    let deploy = Command::Deploy {
        app: self::app(),
        deploy,
    };
    let accepted = command(control, deploy).await.expect("accepted");
    let version = accepted.version.expect("a release");
    let outcome = control.wait_for_outcome(&self::app(), version).await;
    assert_eq!(outcome, Ok(ReleaseOutcome::Serving));
}

/// A node that carries out every step successfully.
async fn node(control: Control, mut outputs: ReconcilerOutputs) {
    while let Some(step) = outputs.steps.recv().await {
        let report = match step {
            Step::Fetch {
                node, app, release, ..
            } => Report::Fetched {
                node,
                app,
                release,
                result: Ok(()),
            },
            Step::Start { node, dyno, .. } => Report::Up { node, dyno },
            Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
                Report::Down { node, dyno }
            }
            _ => continue,
        };
        if control.send_report(report).await.is_err() {
            return;
        }
    }
}

async fn crash(control: &Control, dyno: DynoKey) {
    let report = Report::Crashed {
        node: node_id(),
        dyno,
        reason: "unreachable".into(),
        cause: CrashCause::Trap,
        served: true,
        in_request: true,
    };
    control.send_report(report).await.expect("listens");
}

/// Waits for a dyno that is up and is not `but`.
async fn up(control: &Control, but: Option<&DynoKey>) -> DynoKey {
    for _ in 0..LOOKS {
        let dynos = control.list_dynos_of_app(&app()).await.expect("listens");
        let mut up = dynos.into_iter().filter(|dyno| dyno.state == DynoState::Up);
        if let Some(dyno) = up.find(|dyno| Some(&dyno.dyno) != but) {
            return dyno.dyno;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no dyno came up");
}

fn log_bytes(folder: &Path) -> u64 {
    let log = std::fs::metadata(folder.join("ledger.db-wal"));
    log.expect("it was written").len()
}

/// Limits the size of this process's files.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = bytes.or(maximum);
    let limit = Rlimit { current, maximum };
    setrlimit(Resource::Fsize, limit).expect("up to the maximum");
}

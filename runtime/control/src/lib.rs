//! The control plane: the ledger of facts, and the reconciler, its writer.
//!
//! Owns the order of events and the channels of the reconciler. Must not know nodes, routers or HTTP: steps leave
//! through a channel, reports arrive through a handle, and the caller connects both ends.
//!
//! # Shape
//!
//! [`start`] returns a [`Reconciler`], whose [`run`](Reconciler::run) is one task that the caller owns; a
//! [`Control`], the handle for commands and reports; and [`ReconcilerOutputs`], the channels of steps and log
//! events.
//!
//! Each change that a user requests is one entry of the [`ledger`], written completely or not at all. The
//! reconciler acts on a change only after it is written. While the ledger cannot be written, changes are refused
//! and apps keep running.
//!
//! Of several reconcilers on one ledger, the one that started last leads: see [`Control::epoch`] and
//! [`LedgerSharing`]. The others end when they read of its start. Entries get their time from the reconciler
//! ([`LedgerClock`]), not from the requester, and times in a ledger never fall.
//!
//! | channel | limit | when full |
//! |---|---|---|
//! | change requests to the reconciler, which are written one by one | [`REQUESTS_MAX`] | the sender waits |
//! | events to the reconciler, which are handled at once | [`EVENTS_MAX`] | the sender waits |
//! | one-off dynos to the executor | [`ONE_OFFS_MAX`] | a further one is refused |
//! | steps to the executor | [`STEPS_MAX`] | the reconciler waits, and handles events meanwhile |
//! | log events | [`LOGS_MAX`] | lines are dropped and counted (L11) |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use control::ledger::MemoryLedger;
//! use control::{Actor, Command, DeployConfig, ReconcilerOptions, ReleaseOutcome, ReleaseSpec};
//! use grid::desired::{ProcessKind, ProcessSpec};
//! use grid::name::{AppName, NodeId, ProcessType, SlugId};
//! use grid::protocol::{Inventory, Report, Step};
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! let ledger = Arc::new(MemoryLedger::new());
//! let options = ReconcilerOptions::default();
//! let (reconciler, control, mut outputs) = control::start(ledger, options).await?;
//! let running = tokio::spawn(reconciler.run());
//!
//! // The node reports its resources, and then answers each step.
//! let node: NodeId = "local".parse()?;
//! control.send_report(Report::Node(Inventory::new_local(node, 1 << 30, 100))).await?;
//! let reporter = control.clone();
//! tokio::spawn(async move {
//!     while let Some(step) = outputs.steps.recv().await {
//!         let report = match step {
//!             Step::Fetch { node, app, release, .. } => {
//!                 Report::Fetched { node, app, release, result: Ok(()) }
//!             }
//!             Step::Start { node, dyno, .. } => Report::Up { node, dyno },
//!             Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
//!                 Report::Down { node, dyno }
//!             }
//!             // `Publish` and `Withdraw` are for the router, `Forget` for the node; `Record` is never sent.
//!             _ => continue,
//!         };
//!         let reporter = reporter.clone();
//!         tokio::spawn(async move { reporter.send_report(report).await });
//!     }
//! });
//!
//! let app: AppName = "hello".parse()?;
//! let me = Actor::new("me");
//! let create = Command::CreateApp { app: app.clone(), hostnames: vec![] };
//! control.execute_command(create, me.clone(), None).await?;
//! let spec = ProcessSpec { kind: ProcessKind::Handler, limits: Default::default() };
//! let deploy = ReleaseSpec {
//!     slug: SlugId::new([7; 32]),
//!     description: "Deploy".into(),
//!     config: DeployConfig::Own(BTreeMap::new()),
//!     processes: BTreeMap::from([(ProcessType::web(), spec)]),
//!     formation: BTreeMap::from([(ProcessType::web(), 2)]),
//! };
//! let deploy = Command::Deploy { app: app.clone(), deploy };
//! let accepted = control.execute_command(deploy, me, None).await?;
//! let version = accepted.version.expect("a deploy makes a release");
//! assert_eq!(control.wait_for_outcome(&app, version).await?, ReleaseOutcome::Serving);
//! control.shutdown(Duration::from_secs(1)).await?;
//! running.await??;
//! # Ok(())
//! # }
//! ```

pub mod access;
mod actor;
pub mod addons;
mod command;
mod handle;
pub mod ledger;
mod log_event;
pub mod logs;
pub mod once;
mod random;
mod reconciler;
pub mod seal;
pub mod usage;
mod view;

pub use command::{
    AcceptedChange, Actor, AddonCommand, AddonSpec, Command, CommandError, ConfigChanges,
    DeployConfig, MEMORY_BYTES, ReleaseSpec, check_config_vars, default_attachment_name,
};
pub use handle::{Control, ControlError, DynoStatus, PublishedReleases, ReconcilerEnded};
pub use log_event::{EventSource, LogEvent};
pub use reconciler::{
    EVENTS_MAX, LOGS_MAX, LedgerClock, LedgerSharing, ONE_OFFS_MAX, OfflineTokenError,
    REQUESTS_MAX, Reconciler, ReconcilerOptions, ReconcilerOutputs, ReconcilerRunError,
    ReconcilerStartError, STEPS_MAX, create_token_offline, start,
};
pub use view::{AppOrigin, LedgerView, ReleaseOutcome};

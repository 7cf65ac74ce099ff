//! The control plane of one server: the ledger of facts, and the single writer that acts on it.
//!
//! Owns the order of events and the tasks' channels. Must not know nodes, routers or HTTP: steps go out
//! of a channel, reports come in by a handle, and whoever holds both ends connects them.
//!
//! # Shape
//!
//! [`start`] gives three things: a [`Reconciler`], whose [`run`](Reconciler::run) is one task that the
//! caller owns; a [`Control`], the handle that commands and reports go in by; and [`Outputs`], the
//! channels that steps and log events come out of.
//!
//! | channel | bound | when full |
//! |---|---|---|
//! | events into the reconciler | [`EVENTS_MAX`] | the sender waits |
//! | steps out of it | [`STEPS_MAX`] | the reconciler waits, and takes in events meanwhile |
//! | log events out of it | [`LOGS_MAX`] | lines are dropped and counted (L11) |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use control::{Command, Deploy, Ledger, Outcome};
//! use grid::desired::{Kind, Limits, ProcessSpec};
//! use grid::name::{AppName, NodeId, ProcessType, SlugId};
//! use grid::plan::{Inventory, Report, Step};
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! let (reconciler, control, mut outputs) = control::start(Ledger::new(), 7)?;
//! let running = tokio::spawn(reconciler.run());
//!
//! // A node says what it has, then answers each step.
//! let node: NodeId = "local".parse()?;
//! control.report(Report::Node(Inventory::local(node, 1 << 30, 100))).await?;
//! let reporter = control.clone();
//! tokio::spawn(async move {
//!     while let Some(step) = outputs.steps.recv().await {
//!         let report = match step {
//!             Step::Fetch { node, app, release } => {
//!                 Report::Fetched { node, app, version: release.version, result: Ok(()) }
//!             }
//!             Step::Start { node, dyno, .. } => Report::Up { node, dyno },
//!             Step::Drain { node, dyno, .. } | Step::Stop { node, dyno, .. } => {
//!                 Report::Down { node, dyno }
//!             }
//!             // `Publish` goes to the router, `Forget` to the node; `Record` never comes out.
//!             Step::Publish { .. } | Step::Forget { .. } | Step::Record { .. } => continue,
//!         };
//!         let reporter = reporter.clone();
//!         tokio::spawn(async move { reporter.report(report).await });
//!     }
//! });
//!
//! let app: AppName = "hello".parse()?;
//! control.command(Command::CreateApp { app: app.clone(), hostnames: vec![] }).await?;
//! let spec = ProcessSpec { kind: Kind::Handler, limits: Limits::default() };
//! let deploy = Deploy {
//!     slug: SlugId::new([7; 32]),
//!     description: "Deploy".into(),
//!     config: None,
//!     processes: BTreeMap::from([(ProcessType::web(), spec)]),
//!     formation: BTreeMap::from([(ProcessType::web(), 2)]),
//! };
//! let accepted = control.command(Command::Deploy { app: app.clone(), deploy }).await?;
//! let version = accepted.version.expect("a deploy makes a release");
//! assert_eq!(control.outcome(&app, version).await?, Outcome::Serving);
//! control.command(Command::Shutdown { grace: Duration::from_secs(1) }).await?;
//! running.await??;
//! # Ok(())
//! # }
//! ```

mod command;
mod handle;
mod ledger;
mod log;
mod reconcile;

pub use command::{Accepted, Command, ConfigChanges, Deploy, Rejected};
pub use handle::{Control, DynoStatus, Gone, Outcome, Refused, Standing, Standings};
pub use ledger::{Ledger, LedgerError};
pub use log::{LogEvent, Source};
pub use reconcile::{
    EVENTS_MAX, Event, LOGS_MAX, Outputs, Reconciler, RunError, STEPS_MAX, StartError, start,
};

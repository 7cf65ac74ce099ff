//! All that one machine runs, as a library: router, dynos, control plane, API, and the tasks between them.
//!
//! A node goes through four stages. Settings are read and checked ([`ServerSettings`] or [`LocalSettings`], to
//! [`NodeConfig`]); [`RunningNode::spawn`] starts the node, which has its addresses then; [`RunningNode::drain`] lets
//! requests finish; [`RunningNode::finish`] writes the last log lines. `dyno serve` and `dyno local` are both this.
//! [`run_program`] runs a program once, without any of it.
//!
//! Must not know the command line, the environment or the terminal: nothing is printed here. A [`NodeObserver`] takes
//! what an operator should know of, and a [`LogWriter`] the apps' log lines.
//!
//! # Tasks and threads
//!
//! | task | owner |
//! |---|---|
//! | reconciler, step executor, reports, log events | `core` |
//! | one for each program that runs once | `core::one_off_runner` |
//! | API, dyno time, readiness, token socket, slug pruner, add-ons, ledger watch | `server` |
//! | a thread that writes log lines | `log_queue` |
//!
//! The log queue holds 10,000 lines; a line that finds it full is dropped and counted.

mod config;
mod core;
mod data_folder;
mod error;
mod local_deploy;
mod local_token;
mod log_queue;
mod observer;
mod program;
mod running_node;
mod server;
mod service_manager;

use std::path::Path;

pub use config::{
    DrainGrace, HourlyPrice, HourlyPriceError, ListenOn, LocalSettings, NodeConfig, ServerSettings,
    ServiceError, ServiceSettings, SettingsError, SettingsFileError, TimeOrOff, TimeOrOffError,
};
pub use data_folder::DataFolderError;
pub use error::{NodeFailure, SocketPurpose, SpawnError};
pub use local_deploy::{LocalDeploy, LocalDeployError};
pub use local_token::{LocalToken, LocalTokenError, LocalTokenRequest, create_local_token};
pub use log_queue::{LogWriter, NodeLogLine};
pub use observer::{NodeEvent, NodeObserver, ObserverError};
pub use program::{ProgramConfig, ProgramFiles, ProgramPipes, run_program};
pub use running_node::RunningNode;
pub use server::LocalTokenSocketError;
pub use service_manager::ServiceManager;

// Types of other crates that stand in settings, log lines and streams.
pub use control::logs::{LogFilesError, Source as LogSource, timestamp as format_timestamp};
pub use control::once::frame as attach_frame;
pub use dyno::{EgressOpening, MountedFolder, OneOffCommand};
pub use router::TrustedProxy;

/// Passes of the scheduler between two looks at sockets. A guest that computes holds a thread for a millisecond a pass;
/// tokio's default of 61 would keep requests of other apps waiting for all of those.
const EVENT_INTERVAL: u32 = 8;

/// The runtime for a node: router and dynos share its threads.
///
/// # Errors
/// The operating system gives no threads.
pub fn new_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
}

/// Compiles a component to native code, in a child process that limits itself: the work of a node's compile command.
/// Returns the process's exit code: 0, or 1 with the reason on stderr.
pub fn compile_component(flavor: &str, input: &Path, output: &Path) -> i32 {
    dyno::compile::child_main(flavor, input, output)
}

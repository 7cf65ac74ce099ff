//! For tests and benches alone: guests, servers, folders, and the rig that drives the built binary.
//!
//! Must not know any crate of the workspace: the binary is driven by its command line, sockets and files. Waits are
//! bounded by [`PATIENCE`], which is reached only when a test fails.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test says that it failed"
)]

mod app;
mod command;
mod folders;
mod guests;
mod home;
pub mod hostile_client;
pub mod http;
mod process;
mod rig;
mod server;
pub mod servers;

use std::thread;
use std::time::{Duration, Instant};

pub use app::{DemoApp, ExampleApp};
pub use command::{CommandOutput, dyno_command, error_of, output_on_terminal, run_command};
pub use folders::{file_names, repository, scratch_folder};
pub use guests::{compile_wat, core_guest_path, foreign_guest_path, guest_path};
pub use home::HomeFolder;
pub use http::HttpReply;
pub use process::{DynoProcess, log_field};
pub use rig::{ServerRig, SlugFile};
pub use server::Server;

/// Longest that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at something that is to change.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for something to become true.
#[track_caller]
pub fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "it never happens that {what}");
        thread::sleep(LOOK);
    }
}

//! What tests and benches share: built guests, real servers, app folders, and the rig that drives the built binary.
//!
//! Development only. Must not know any crate of the workspace: tests drive the binary by its command line, its sockets
//! and its files. Every wait is bounded by [`PATIENCE`], which only a failing test reaches.
//!
//! | for | use |
//! |---|---|
//! | a command that ends | [`dyno_command`], [`run_command`] |
//! | a running `dyno local` | [`DynoProcess`], [`DemoApp`], [`ExampleApp`] |
//! | a running `dyno serve` | [`ServerRig`], [`Server`] |
//! | a test guest | [`guest_path`], [`core_guest_path`], [`foreign_guest_path`], [`compile_wat`] |
//! | a database or cache | [`servers`] |

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod app;
mod command;
mod folders;
mod guests;
mod home;
pub mod hostile_client;
pub mod http;
mod once;
mod process;
mod rig;
mod server;
pub mod servers;
mod slug_file;

use std::thread;
use std::time::{Duration, Instant};

pub use app::{DemoApp, ExampleApp};
pub use command::{CommandOutput, dyno_command, error_of, output_on_terminal, run_command};
pub use folders::{file_names, repository, scratch_folder};
pub use guests::{compile_wat, core_guest_path, foreign_guest_path, guest_path};
pub use home::HomeFolder;
pub use http::HttpReply;
pub use once::do_once;
pub use process::{DynoProcess, log_field};
pub use rig::ServerRig;
pub use server::Server;
pub use slug_file::SlugFile;

/// The longest time that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The time between two checks of a condition.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until a condition holds; `what` names the condition if it never does.
#[track_caller]
pub fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "it never happens that {what}");
        thread::sleep(LOOK);
    }
}

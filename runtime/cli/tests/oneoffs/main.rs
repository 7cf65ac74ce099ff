//! Programs that run once, and programs that run without requests: `dyno run`, `dyno local run`, release processes,
//! workers.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod local_run;
mod preview1;
mod program_app;
mod release_process;
mod remote_run;
mod wasi_interfaces;
mod workers;

//! What runs once, and what runs by itself: `dyno run`, `dyno local run`, release processes and workers, on the built
//! binary.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod local_run;
mod preview1;
mod program_app;
mod release_process;
mod remote_run;
mod wasi_interfaces;
mod workers;

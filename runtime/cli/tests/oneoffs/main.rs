//! What runs once, and what runs by itself: `dyno run`, `dyno local run`, release processes and workers, on the built
//! binary.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod jobs;
mod local_run;
mod preview1;
mod release;
mod run;
mod wasi;
mod worker;

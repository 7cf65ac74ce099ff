//! What runs once, and what runs by itself: `dyno run`, `dyno local run`, release processes and workers, on the built
//! binary.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../local/folder.rs"]
#[allow(dead_code, reason = "shared with the tests of `dyno local`")]
mod folder;

#[path = "../server/http.rs"]
#[allow(dead_code, reason = "shared with the tests of `dyno serve`")]
mod http;

#[path = "../server/stage.rs"]
#[allow(dead_code, reason = "shared with the tests of `dyno serve`")]
mod stage;

mod jobs;
mod local_run;
mod preview1;
mod release;
mod run;
mod wasi;
mod worker;

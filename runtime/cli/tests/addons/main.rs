//! `dyno addons`, driven as its users drive it, with real PostgreSQL, Redis and memcached servers beside it.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/servers.rs"]
mod servers;

#[path = "../local/folder.rs"]
#[allow(dead_code, reason = "shared with the tests of `dyno local`")]
mod folder;

#[path = "../server/http.rs"]
#[allow(dead_code, reason = "shared with the tests of `dyno serve`")]
mod http;

#[path = "../server/stage.rs"]
#[allow(dead_code, reason = "shared with the tests of `dyno serve`")]
mod stage;

mod kills;
mod memcached;
mod offer;
mod postgresql;
mod proxy;
mod reach;
mod redis;
mod themselves;
mod trouble;

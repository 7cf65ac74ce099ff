//! `dyno addons`, driven as its users drive it, with real PostgreSQL, Redis and memcached servers beside it.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/servers.rs"]
mod servers;

mod themselves;

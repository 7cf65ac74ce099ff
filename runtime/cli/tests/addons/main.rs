//! `dyno addons`, driven as its users drive it, with real PostgreSQL, Redis and memcached servers beside it.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod kills;
mod memcached;
mod offer;
mod postgresql;
mod proxy;
mod reach;
mod redis;
mod themselves;
mod trouble;

//! `dyno addons`, driven as its users drive it, with real PostgreSQL, Redis and memcached servers beside it.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod breaking_proxy;
mod failures;
mod memcached;
mod network_reach;
mod offering;
mod postgresql;
mod redis;
mod server_kills;
mod test_servers;

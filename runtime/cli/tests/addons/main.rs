//! End-to-end tests of `dyno addons`, with real PostgreSQL, Redis and memcached servers.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

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

//! End-to-end tests of `dyno serve`: a server in a folder of the test, commands as processes, apps and API over HTTP.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod api_contract;
mod changes_under_load;
mod constant_load;
mod failed_releases;
mod first_deploy;
mod full_disk;
mod handover;
mod kept_logs;
mod kills;
mod operations;
mod own_machine;
mod secrets;
mod sleeping_dynos;
mod trusted_proxies;

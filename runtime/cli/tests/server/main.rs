//! `dyno serve` and the commands that speak to it, driven as their users drive them: a server in a folder of its
//! own, commands as processes, apps and API over HTTP.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

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

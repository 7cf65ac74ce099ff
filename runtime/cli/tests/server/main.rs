//! `dyno serve` and the commands that speak to it, driven as their users drive them: a server in a folder of its
//! own, commands as processes, apps and API over HTTP.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod asleep;
mod changes;
mod contract;
mod disk;
mod failing;
mod first;
mod handover;
mod kept_logs;
mod kills;
mod load;
mod operating;
mod own_machine;
mod proxies;
mod secrets;

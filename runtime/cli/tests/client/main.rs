//! The commands that call a server, each against a real `dyno serve` on free ports.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod config;
mod deploy;
mod operations;
mod other_platforms;
mod server;
mod tokens;

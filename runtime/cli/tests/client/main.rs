//! The commands that ask a server, on the built binary, against a real `dyno serve` on free ports.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod config;
mod deploy;
mod operations;
mod other_platforms;
mod server;
mod tokens;

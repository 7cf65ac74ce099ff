//! Every command but `local`, on the built binary: what it writes, where, and its exit code.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod build;
mod command_folder;
mod help_and_exit_codes;
mod inspect;
mod new;
mod refused_components;
mod typing_aids;
mod without_server;

//! Commands that need no server, and what server commands print without one: output, files, exit codes.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod build;
mod command_folder;
mod help_and_exit_codes;
mod inspect;
mod new;
mod refused_components;
mod typing_aids;
mod without_server;

//! Every command but `local`, on the built binary: what it writes, where, and its exit code.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod build;
mod habits;
mod inspect;
mod new;
mod refused;
mod remote;
mod run;
mod usage;

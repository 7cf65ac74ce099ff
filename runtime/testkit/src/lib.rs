//! For tests and benches alone: guests, servers, folders, and the rig that drives the built binary.
//!
//! Must not know any crate of the workspace: the binary is driven by its command line, sockets and files.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test says that it failed"
)]

mod folder;
pub mod http;
pub mod servers;
mod stage;
pub mod strangers;
mod support;

pub use folder::{Demo, Example, Home, fails, names};
pub use stage::{Rig, Said, Server, Slug, eventually, say};
pub use support::{
    Local, PATIENCE, Reply, core_guest, dyno, field, foreign, guest, on_terminal, root, scratch,
};

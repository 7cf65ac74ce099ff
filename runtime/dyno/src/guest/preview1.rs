//! WASI preview 1 for core modules: wasmtime-wasi's implementation, behind the rules and the quota of `filesystem`, and
//! sockets, which that implementation does not have.
//!
//! Must not know components.

mod folders;
pub(crate) mod host;
pub(crate) mod network;
mod polling;
mod sockets;
pub(crate) mod state;

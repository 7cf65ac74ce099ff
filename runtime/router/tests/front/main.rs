//! The router at its boundary: bytes in, bytes and log lines out, plain functions for dynos.

// In a test, unwrapping is an assertion.
#![allow(clippy::unwrap_used)]

mod abuse;
mod basics;
mod body;
mod close;
mod codes;
mod connections;
mod log;
mod protocol;
mod raw;
mod servers;
mod sleep;
mod waiting;
mod world;

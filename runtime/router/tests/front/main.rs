//! The router at its boundary: bytes in, bytes and log lines out, plain functions for dynos.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod abuse;
mod basics;
mod bodies;
mod buffers;
mod close;
mod codes;
mod connections;
mod forwarded;
mod hangup;
mod headers;
mod http10;
mod http2;
mod http2_fields;
mod http2_interim;
mod interim;
mod log;
mod raw;
mod servers;
mod sleep;
mod stalls;
mod uploads;
mod waiting;
mod without_content;
mod world;

//! The router at its boundary: bytes in, bytes and log lines out, plain functions for dynos.

mod abuse;
mod basics;
mod close;
mod codes;
mod connections;
mod hangup;
mod headers;
mod http2;
mod log;
mod raw;
mod stalls;
mod uploads;
mod waiting;
mod world;

//! The access log and the statistics of the router.
//!
//! Owns the form of a log line, request ids and counters. Must not know connections or where log lines go.

pub(crate) mod access_log;
pub(crate) mod request_id;
pub(crate) mod statistics;

//! What the WASI 0.2 guests share: parameters out of the query, plain answers, and a thin layer over the
//! raw `wasi:http` bindings for those guests that break the rules which `wstd` keeps.
//!
//! Knows nothing of any one guest, and nothing of the host.

pub mod raw;
pub mod web;

//! The connections between the nodes of a grid.
//!
//! Owns what a node needs to be part of a grid ([`bundle`]), and mutual TLS between nodes ([`tls`]). Must not know plans
//! and releases, how a step is carried out, or where a report goes.

pub mod bundle;
pub mod tls;

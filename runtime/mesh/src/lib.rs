//! The connections between the nodes of a grid.
//!
//! Owns what a node needs to be part of a grid ([`bundle`]), mutual TLS between nodes ([`tls`]), and the ordered
//! channel of steps and reports ([`channel`]). Must not know plans and releases, how a step is carried out, or where a
//! report goes.

pub mod bundle;
pub mod channel;
pub mod tls;

//! The connections between the nodes of a grid.
//!
//! Owns what a node needs to be part of a grid ([`bundle`]), mutual TLS between nodes ([`tls`]), the ordered channel
//! of steps and reports ([`channel`]), and the control connections that carry it ([`connection`]). Must not know plans and releases, how a step is carried out, or where a
//! report goes.

pub mod bundle;
pub mod channel;
pub mod connection;
pub mod tls;

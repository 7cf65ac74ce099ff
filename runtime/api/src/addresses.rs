//! The two addresses of a connection, which the server adds to each request as extensions.
//!
//! Owns these types. Must not know connections.

use std::net::IpAddr;

/// The address of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// The address of this machine that the client connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalAddress(pub(crate) IpAddr);

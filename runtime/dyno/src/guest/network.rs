//! What a guest can reach outside of its instance, and the port on which it may listen.
//!
//! Must not know HTTP, except for the idle connections that an app keeps.

pub(crate) mod connection;
pub(crate) mod egress;
pub(crate) mod gate;
pub(super) mod lookup;
pub(crate) mod park;
pub(crate) mod pool;
pub(crate) mod port;
pub(crate) mod resolver;
pub(crate) mod shared;
pub(super) mod sockets;
pub(super) mod tcp_p2;
pub(super) mod tcp_p3;
pub(crate) mod tls;
mod tls_roots;

//! A guest's view of the network: the destinations that it can reach, and the port on which a server dyno listens.
//!
//! `egress` is the policy, `gate` applies it for one dyno, `resolver` looks names up, `pool` keeps idle HTTP
//! connections of an app, `port` is `$PORT`. `tcp_p2`, `tcp_p3`, `sockets` and `lookup` are the interfaces of WASI
//! 0.2 and 0.3.
//!
//! Must not know HTTP, except for the idle connections.

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

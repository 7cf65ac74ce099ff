//! Nodes of a grid on loopback addresses, with real sockets and real TLS.
//!
//! Each test takes addresses of its own, so that tests run beside each other. No test asserts on less than seconds of
//! time.

mod channels;
mod heartbeats;
mod proxy;
mod rig;
mod strangers;

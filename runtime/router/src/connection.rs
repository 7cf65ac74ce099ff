//! Connections: accepting them, and reading and writing HTTP/1.1 and HTTP/2 on them.
//!
//! Owns sockets, protocol detection, and the guards that check what a client sends. Must not know how a request is
//! answered.

pub(crate) mod accept;
pub(crate) mod alarm;
pub(crate) mod chunk_extension;
pub(crate) mod guarded_io;
pub(crate) mod http1;
pub(crate) mod http1_guard;
pub(crate) mod http2;
pub(crate) mod http2_guard;
pub(crate) mod http2_stream;
pub(crate) mod serve_connection;

//! State that several tasks share: of the router, of a connection, of an HTTP/2 stream, of a request.
//!
//! Owns these states and their locks. Must not know which tasks use them.

pub(crate) mod access_entry;
pub(crate) mod connection_state;
pub(crate) mod rejection;
pub(crate) mod router_shared;
pub(crate) mod stream_state;
pub(crate) mod trusted_proxies;

//! The limits of the connections between nodes.
//!
//! Owns numbers, and how HTTP/2 is set up with them. Must not know what is sent.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Each node sends a heartbeat this often, on every connection.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// A node that is not heard for this long counts as silent, and the connection to it ends.
pub const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Bytes that one stream may have on its way: small, so that a stream that nobody reads holds little of the
/// connection's window.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes that a connection may have on its way: the largest window of HTTP/2 (RFC 9113, section 6.9.1), so that streams
/// that nobody reads never stop the others.
pub const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// Streams that a peer may have open on one connection: more than a node has dynos.
pub const STREAMS_MAX: u32 = 10_000;
/// Bytes of the headers of a request: what the router takes from its clients.
pub const HEADER_LIST_BYTES_MAX: u32 = 512 * 1024;

/// The time for a TCP connection and its TLS handshake.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for a peer's answer to the begin of a stream.
pub(super) const OPEN_STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// Accepted connections at a time, with those that have not shown a certificate yet.
pub(super) const ACCEPTED_MAX: usize = 1024;
/// Pieces of a stream that wait for HTTP/2 to take them.
pub(super) const OUTGOING_PIECES_MAX: usize = 4;
/// Events of a channel that its owner has not taken.
pub(super) const EVENTS_MAX: usize = 64;

/// HTTP/2 on accepted connections.
pub(super) fn server_builder() -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        // A peer hangs up for each client that leaves: that is no abuse.
        .max_pending_accept_reset_streams(usize::MAX)
        .max_local_error_reset_streams(None);
    builder
}

/// HTTP/2 on opened connections.
pub(super) fn client_builder() -> hyper::client::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(usize::MAX)
        .max_local_error_reset_streams(None);
    builder
}

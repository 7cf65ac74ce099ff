//! Every bound of the router, by name, with its unit and its reason.
//!
//! Owns the numbers. Must not know which code enforces them.

use std::time::Duration;

pub(crate) use exchange::limits::SILENCE_TIMEOUT;
pub use grid::routing::{BOOT_WAIT_MAX, FIRST_BYTE_TIMEOUT, FIRST_BYTE_TIMEOUT_RANGE, SWEEP_EVERY};

/// The longest request line (bytes).
pub const REQUEST_LINE_MAX: usize = 8 * 1024;
/// The longest header line (bytes).
pub const HEADER_LINE_MAX: usize = 8 * 1024;
/// The default for the number of header lines of a request, which is also the default of hyper's parser.
pub const HEADERS_MAX: usize = 100;
/// The largest block of request headers, request line included (bytes).
pub const HEADER_BLOCK_MAX: usize = 64 * 1024;
/// A request body up to this size is read before a dyno is taken (bytes).
pub const REQUEST_BUFFER: usize = 64 * 1024;
/// Memory for all request bodies of a router that are buffered (bytes), unless its [`RouterLimits`] set another value:
/// one client may have 200,000 streams, which must not take [`REQUEST_BUFFER`] each. Beyond this sum, bodies are streamed
/// as longer ones are, and the clients' windows hold the rest back.
pub const REQUEST_BUFFERS_MAX: usize = 256 * 1024 * 1024;
/// A body with an announced length up to this is buffered in any case (bytes), and does not count among
/// [`REQUEST_BUFFERS_MAX`]. Longer bodies count in steps of this size, which is what one read of a socket takes anyway.
pub const REQUEST_BUFFER_FREE: usize = 8 * 1024;
/// The largest piece of a body that is handed to the HTTP layer at a time (bytes). The router cannot take back bytes
/// from the HTTP layer, so the log line and the stall timer are wrong by up to this size.
pub(crate) const PIECE_MAX: usize = 32 * 1024;
/// The longest id that a client may give its request (characters).
pub const REQUEST_ID_MAX: usize = 200;

/// Time from the first byte of a request's head to the last, and from accept to the first byte.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this time. A little more than common load balancers use (60 s), so that
/// the load balancer closes first and sends no request into a connection that is being closed.
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(75);
/// How long a guest may go on after its client hung up. Most handlers end within this time and keep their warm instance.
/// A boot costs less than holding a dyno any longer without a client.
pub const HANGUP_GRACE: Duration = Duration::from_secs(1);
/// How long a guest may go on after its response is complete before it counts as hung.
pub const AFTERWORK_MAX: Duration = Duration::from_secs(30);
/// How many other dynos get a request after one could not be reached (H19, H21).
pub const RETRIES_MAX: usize = 3;
/// A body that is read before a dyno is taken must be complete within this time, however slowly it arrives.
pub const REQUEST_BUFFER_TIMEOUT: Duration = Duration::from_secs(60);
/// An upload at least this fast (bytes a second, on average) does not time out while there is no first response byte: the
/// guest cannot answer a request that it has not got. Slower uploads would hold a dyno without need.
pub const UPLOAD_RATE_MIN: u64 = 8 * 1024;
/// Bytes of a response that the kernel holds and has not sent yet. Without a bound the kernel takes up to 4 MiB, and asks
/// for more only when a third of that is sent: the router would see a client's pace in steps of half a minute.
pub(crate) const UNSENT_MAX: u32 = 128 * 1024;
/// After an error, unread input is read and discarded for this long, so that a connection reset does not destroy the
/// response.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(2);
/// The most input that is discarded after an error (bytes).
pub(crate) const LINGER_MAX: usize = 256 * 1024;
/// Time for the first request of a client that connected just before the router closes. If the router closed at once, the
/// client would get no response, although the next server may take over the listening socket and could give one.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);
/// Time for the last responses to leave after the grace time of a close.
pub(crate) const FORCED_FLUSH: Duration = Duration::from_millis(250);

/// Bytes of interim responses (1xx): of those that wait to be written on an HTTP/1 connection, and of all on an HTTP/2
/// stream. More are dropped. The early hints of a page take a few hundred bytes.
pub(crate) const INTERIM_MAX: usize = 16 * 1024;
/// How many interim responses may wait to be sent on a stream.
pub(crate) const H2_INTERIM_MAX: usize = 16;
/// Concurrent HTTP/2 streams of a connection.
pub const H2_STREAMS_MAX: u32 = 100;
/// HTTP/2 frames without data that a client may send in a window of [`H2_CALM_WINDOW`]; each
/// [`H2_BYTES_PER_FRAME`] of data earn one more. A busy client sends a few dozen; the known floods send tens of
/// thousands.
pub(crate) const H2_CONTROL_FRAMES_MAX: u32 = 2_000;
/// The window of [`H2_CONTROL_FRAMES_MAX`].
pub(crate) const H2_CALM_WINDOW: Duration = Duration::from_secs(10);
/// Data moved either way that earns a client one more frame without data (bytes).
pub(crate) const H2_BYTES_PER_FRAME: usize = 4 * 1024;
/// Streams that the client has reset and that the HTTP layer has not handed over yet (h2's own default).
pub(crate) const H2_PENDING_RESETS_MAX: usize = 20;
/// Streams that the HTTP layer resets because of the client's errors before it closes the connection.
pub(crate) const H2_ERROR_RESETS_MAX: usize = 128;
/// Flow-control window of a stream: bytes that the client may send before the router has read them.
pub(crate) const H2_STREAM_WINDOW: u32 = 256 * 1024;
/// Flow-control window of a connection (bytes).
pub(crate) const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The limits that an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct RouterLimits {
    /// Header lines of a request.
    pub headers_max: usize,
    /// Open connections, all clients together.
    pub connections_max: usize,
    /// Open connections of one client: an IPv4 address, or an IPv6 network of 64 bits.
    pub connections_per_client_max: usize,
    /// Memory for buffered request bodies, all clients together (bytes).
    pub request_buffers_max: usize,
}

impl Default for RouterLimits {
    /// 100 headers; 10,000 connections, a fifth of them for one client at most; [`REQUEST_BUFFERS_MAX`].
    fn default() -> Self {
        RouterLimits {
            headers_max: HEADERS_MAX,
            connections_max: 10_000,
            connections_per_client_max: 2_000,
            request_buffers_max: REQUEST_BUFFERS_MAX,
        }
    }
}

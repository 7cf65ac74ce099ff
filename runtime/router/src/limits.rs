//! Every bound of the router, by name, with its unit and its reason.
//!
//! Owns the numbers. Must not know who enforces them.

use std::time::Duration;

pub(crate) use exchange::limits::SILENCE_TIMEOUT;

/// The longest request line (bytes).
pub const REQUEST_LINE_MAX: usize = 8 * 1024;
/// The longest header line (bytes).
pub const HEADER_LINE_MAX: usize = 8 * 1024;
/// The default number of header lines of a request; hyper's own default for its parser as well.
pub const HEADERS_MAX: usize = 100;
/// The largest block of request headers, request line included (bytes).
pub const HEADER_BLOCK_MAX: usize = 64 * 1024;
/// A request body up to this size is read before a dyno is taken (bytes).
pub const REQUEST_BUFFER: usize = 64 * 1024;
/// All request bodies of a router that are read so, together (bytes), unless its [`Limits`] say otherwise: one client
/// may have 200,000 streams, and they must not take [`REQUEST_BUFFER`] each. When so much is held, bodies stream as
/// longer ones do, and the clients' windows hold the rest back.
pub const REQUEST_BUFFERS_MAX: usize = 256 * 1024 * 1024;
/// A body that is announced with a length up to this is read in any case (bytes), and does not count among
/// [`REQUEST_BUFFERS_MAX`]; longer ones count in steps of as much. It is what one read of a socket takes anyway.
pub const REQUEST_BUFFER_FREE: usize = 8 * 1024;
/// The largest piece of a body handed to the HTTP layer at a time (bytes): what it holds is not
/// ours to take back, so the log line and the stall timer would be wrong by as much.
pub(crate) const PIECE_MAX: usize = 32 * 1024;
/// The longest id that a client may give its request (characters).
pub const REQUEST_ID_MAX: usize = 200;

/// From the first byte of a request's head to the last (and from accept to the first).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this time: a little more than common load balancers
/// (60 s), so that they close first and no request is lost in the crossing.
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(75);
/// Time to the first response byte, waiting included, unless the app has its own.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30);
/// The least and the most that an app may set for its time to the first byte.
pub const FIRST_BYTE_TIMEOUT_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(600);
/// How often the router looks for dynos that have rested long enough to be put to sleep: by so much, twice at most,
/// they sleep later than they might.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long requests wait while the first dynos of an app boot (H20).
pub const BOOT_WAIT_MAX: Duration = Duration::from_secs(75);
/// How long a guest may go on after its client hung up. Most handlers end within it and keep their warm
/// instance; a boot costs less than holding a dyno any longer for nobody.
pub const HANGUP_GRACE: Duration = Duration::from_secs(1);
/// How long a guest may go on after its response is complete, before it counts as hung.
pub const AFTERWORK_MAX: Duration = Duration::from_secs(30);
/// Other dynos that get a request after one could not be reached (H19, H21).
pub const RETRIES_MAX: usize = 3;
/// A body that is read before a dyno is taken must be there within this time, however it drips.
pub const REQUEST_BUFFER_TIMEOUT: Duration = Duration::from_secs(60);
/// An upload at least this fast (bytes a second, on average) is not timed out for want of a first
/// response byte: the guest cannot answer what it has not got. Slower ones would hold a dyno for nothing.
pub const UPLOAD_RATE_MIN: u64 = 8 * 1024;
/// What the kernel holds of a response beyond what is on its way (bytes). Without a bound it takes up to 4 MiB, and asks
/// for more only when a third of that is gone: a client's pace would be seen in steps of half a minute.
pub(crate) const UNSENT_MAX: u32 = 128 * 1024;
/// After an error, unread input is read and thrown away this long and this far (bytes), so that the
/// answer is not lost in a connection reset.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(2);
pub(crate) const LINGER_MAX: usize = 256 * 1024;
/// What a client that connected just before the router closes has to send its first request. Closed at once, it would get
/// no answer, although the next server may take over the listening socket and would have given one.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);
/// After the grace time of a close: what the last answers get to leave.
pub(crate) const FORCED_FLUSH: Duration = Duration::from_millis(250);

/// Interim responses (1xx) that wait to be written on an HTTP/1 connection, and all of an HTTP/2 stream (bytes); more are
/// dropped. A page's early hints take a few hundred.
pub(crate) const INTERIM_MAX: usize = 16 * 1024;
/// Interim responses that wait to be sent on a stream.
pub(crate) const H2_INTERIM_MAX: usize = 16;
/// HTTP/2 streams at once on a connection.
pub const H2_STREAMS_MAX: u32 = 100;
/// HTTP/2 frames that move no data, in a window of [`H2_CALM_WINDOW`]; each 4 KiB moved earns one more.
/// A busy client sends a few dozen; the known floods send tens of thousands.
pub(crate) const H2_CONTROL_FRAMES_MAX: u32 = 2_000;
pub(crate) const H2_CALM_WINDOW: Duration = Duration::from_secs(10);
pub(crate) const H2_BYTES_PER_FRAME: usize = 4 * 1024;
/// Streams reset by the client that the HTTP layer has yet to hand over (h2's own default).
pub(crate) const H2_PENDING_RESETS_MAX: usize = 20;
/// Streams that the HTTP layer resets for the client's errors before it gives the connection up.
pub(crate) const H2_ERROR_RESETS_MAX: usize = 128;
/// Flow-control windows: what one stream, and one connection, may have in flight towards us (bytes).
pub(crate) const H2_STREAM_WINDOW: u32 = 256 * 1024;
pub(crate) const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What an operator may set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Header lines of a request.
    pub headers_max: usize,
    /// Open connections, all clients together.
    pub connections_max: usize,
    /// Open connections of one client address (of an IPv6 network of 64 bits).
    pub connections_per_client_max: usize,
    /// Bytes of request bodies that are held before dynos are taken for them, all clients together.
    pub request_buffers_max: usize,
}

impl Default for Limits {
    /// 100 headers; 10,000 connections, a fifth of them for one client at most; [`REQUEST_BUFFERS_MAX`].
    fn default() -> Self {
        Limits {
            headers_max: HEADERS_MAX,
            connections_max: 10_000,
            connections_per_client_max: 2_000,
            request_buffers_max: REQUEST_BUFFERS_MAX,
        }
    }
}

//! Every bound of an exchange, by name, with its unit and its reason.
//!
//! Owns the numbers. Must not know which code enforces them.

use std::time::Duration;

/// The largest head of a guest's response (bytes of names, values and separators).
pub const RESPONSE_HEAD_MAX: usize = 512 * 1024;
/// The most headers of a guest's response. Clients accept fewer headers than servers do: 1,000 is the most that the
/// common HTTP libraries read, and each header costs the client and the log of its proxy more than its bytes.
pub const RESPONSE_HEADERS_MAX: usize = 1_000;
/// A response is buffered in memory up to this size, so that a slow reader does not hold the dyno (bytes).
pub const RESPONSE_BUFFER: usize = 1024 * 1024;
/// Memory for all buffered responses of a router together (bytes). When slow readers hold so much, guests wait for
/// their own clients to read, with [`RESPONSE_BUFFER_FREE`] between them.
pub const RESPONSE_BUFFERS_MAX: usize = 256 * 1024 * 1024;
/// Memory that each response may use for its buffer in any case (bytes). It does not count towards
/// [`RESPONSE_BUFFERS_MAX`]: the number of responses is bounded by the number of connections and streams.
pub const RESPONSE_BUFFER_FREE: usize = 16 * 1024;
/// Disk space for one response whose client reads more slowly than its guest writes (bytes): the dyno is free when the
/// guest has finished. More than nearly every response has, and little for one that never ends.
pub const SPILL_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A response goes to disk once its guest has waited for so long, all waits together. Clients that read about as fast
/// as the guest writes therefore cost no disk.
pub(crate) const SPILL_AFTER: Duration = Duration::from_millis(100);
/// Disk space for all responses of a router together (bytes): 16 of the largest, or 1,000 of the smallest that are put
/// there.
pub const SPILLS_MAX_BYTES: usize = 1024 * 1024 * 1024;
/// Bytes of a response that stay in memory when the rest is put on disk: the client takes these while the rest is
/// being written.
pub(crate) const SPILL_KEPT_BYTES: usize = 128 * 1024;
/// Bytes that are read back from disk at a time.
pub(crate) const SPILL_READ_BYTES: usize = 256 * 1024;
/// After the first byte of a response: this long without another one ends the request (H15, or H28 if the client
/// stalls). A request body is given the same time between two pieces.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(55);
/// A client that keeps a guest waiting must read at least this fast (bytes a second), the same as for uploads: a tenth
/// of what the slowest mobile networks in use give.
pub const READER_RATE_MIN: u64 = 8 * 1024;
/// The longest that a guest waits for a client that reads nothing. Any shorter, and a lost packet on a mobile network
/// would end a download.
pub const READER_PATIENCE: Duration = Duration::from_secs(10);

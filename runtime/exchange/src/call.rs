//! A running request, as the router drives it.
//!
//! Owns the trait of a call, its possible ends, and the reasons to kill one. Must not know what runs the call.

/// A running request: a future that the router polls until the dyno is free again.
///
/// The router polls a call first in the connection's own task. If the call is not ready then, the rest of it runs in a
/// task of its own. The router never drops a call that has begun and has not finished, except in a panic: it kills it.
pub trait Call<D>: Future<Output = CallEnd<D>> + Send + Unpin + 'static {
    /// Ends the guest now. The dyno is thrown away; its node starts a replacement.
    fn kill(self, reason: Kill);
}

/// State of the dyno after a call.
#[derive(Debug)]
pub enum CallEnd<D> {
    /// The dyno may take the next request.
    Free(D),
    /// The guest trapped, exited or was lost. The handle is gone as well; the node reports the reason.
    Gone,
}

/// Why a call is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kill {
    /// No first byte in time (H12), or still running long after the response was complete.
    Timeout,
    /// The client hung up or stalled (H27, H28), and the guest did not end within the grace time.
    Hangup,
    /// The guest sent nothing for too long in mid-response (H15).
    Stalled,
    /// The router is stopping (H24).
    Forced,
}

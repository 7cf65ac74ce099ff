//! What the router asks of a dyno, as traits: plain functions in tests, wasm in the product.
//!
//! Owns the shape of a handle and of a running call. Must not know what a dyno is made of, nor sockets.

use crate::body::RequestBody;
use crate::headers::Told;
use crate::reply::Reply;
use grid::name::DynoKey;
use std::pin::Pin;

/// A handle: the exclusive right to hand one dyno one request.
///
/// To drop it releases the dyno to its node: the router will not use it again.
pub trait Dyno: Send + Sized + 'static {
    /// Which start of which dyno this is.
    fn key(&self) -> &DynoKey;

    /// Runs one request. The call owns the dyno until it is finished.
    ///
    /// The request's URI is a path and query only, and `Host` is set. Nothing is done before the call is polled. A dyno
    /// that sleeps wakes within it.
    fn call(self, asked: Asked, reply: Reply) -> Pin<Box<dyn Call<Self>>>;

    /// Whether it takes requests to switch protocols (`Upgrade`), as a server does.
    fn switches(&self) -> bool {
        false
    }

    /// Gives the dyno's memory back until its next call. It may block for a while; asleep already, it does nothing.
    fn sleep(&mut self);
}

/// A request for a dyno.
#[derive(Debug)]
pub struct Asked {
    /// Its headers are the client's, some of which the app must not see, until it is [`told`](Asked::told).
    pub request: http::Request<RequestBody>,
    /// What makes of them those that the app is to see; none if that is done.
    pub told: Option<Told>,
}

impl Asked {
    /// The request as the app is to see it.
    pub fn complete(self) -> http::Request<RequestBody> {
        let Asked { mut request, told } = self;
        if let Some(told) = told {
            told.tell(request.headers_mut());
        }
        request
    }
}

/// A running request.
///
/// The router polls it first in the connection's own task; if it is not ready then, the rest runs in a task
/// of its own. The router never drops a call that has begun and is not finished, except in a panic: it kills it.
pub trait Call<D>: Future<Output = Finished<D>> + Send {
    /// Ends the guest now. Its dyno is thrown away, and replaced by its node.
    fn kill(self: Pin<Box<Self>>, why: Kill);
}

/// What a call leaves behind.
#[derive(Debug)]
pub enum Finished<D> {
    /// The dyno may take the next request.
    Free(D),
    /// The guest trapped, exited or was lost: the handle is gone with it, and its node reports why.
    Gone,
}

/// Why a call is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kill {
    /// No first byte in time (H12), or still running long after its response was complete.
    Timeout,
    /// The client hung up or stalled (H27, H28), and the guest did not end within the grace time.
    Hangup,
    /// The guest fell silent in mid-response (H15).
    Stalled,
    /// The router is stopping (H24).
    Forced,
}

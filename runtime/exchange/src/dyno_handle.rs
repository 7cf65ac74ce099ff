//! A free dyno, as the router holds it: a WebAssembly dyno in production, a plain function in tests.
//!
//! Owns the trait of a handle and the form of a request. Must not know what a dyno is made of.

use grid::name::DynoKey;

use crate::call::Call;
use crate::headers::AddForwardedHeaders;
use crate::reply::Reply;
use crate::request_body::RequestBody;

/// The exclusive right to send one request to one dyno.
///
/// Dropping a handle returns the dyno to its node: the router will not use it again.
pub trait DynoHandle: Send + Sized + 'static {
    /// The running request.
    type Call: Call<Self>;

    /// Identifies the dyno, and which of its starts this is.
    fn key(&self) -> &DynoKey;

    /// Runs one request. The call owns the dyno until the call has finished.
    ///
    /// The request's URI is a path and query only, and `Host` is set. Nothing happens before the call is polled. A
    /// sleeping dyno wakes within the call.
    fn call(self, request: DynoRequest, reply: Reply) -> Self::Call;

    /// Whether the dyno accepts requests to switch protocols (`Upgrade`). Server dynos do.
    fn can_switch_protocols(&self) -> bool {
        false
    }

    /// Releases the dyno's memory until the next call. May block for a while. Has no effect on a sleeping dyno.
    fn sleep(&mut self);
}

/// A request for a dyno.
#[derive(Debug)]
pub struct DynoRequest {
    /// The request with the client's headers. The app must not see some of them: apply `forwarded_headers` first.
    pub request: http::Request<RequestBody>,
    /// Turns the client's headers into those that the app sees. `None`: this has been done.
    pub forwarded_headers: Option<AddForwardedHeaders>,
}

impl DynoRequest {
    /// The request as the app sees it.
    pub fn into_request(self) -> http::Request<RequestBody> {
        let DynoRequest {
            mut request,
            forwarded_headers,
        } = self;
        if let Some(forwarded_headers) = forwarded_headers {
            forwarded_headers.apply(request.headers_mut());
        }
        request
    }
}

impl From<http::Request<RequestBody>> for DynoRequest {
    /// A request whose headers the app may see as they are.
    fn from(request: http::Request<RequestBody>) -> DynoRequest {
        DynoRequest {
            request,
            forwarded_headers: None,
        }
    }
}

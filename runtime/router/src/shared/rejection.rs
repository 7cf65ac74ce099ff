//! Why a request is rejected before any app is looked at (H26).
//!
//! Must not know which rule the request broke in detail, nor how the rejection is shown.

use http::StatusCode;

/// A request that breaks HTTP or the router's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// The status that the client gets.
    pub(crate) status: StatusCode,
    /// A word for the access log's `cause=`.
    pub(crate) cause: &'static str,
}

impl Rejection {
    /// A rejection with status 400.
    pub(crate) const fn bad_request(cause: &'static str) -> Rejection {
        Rejection {
            status: StatusCode::BAD_REQUEST,
            cause,
        }
    }
}

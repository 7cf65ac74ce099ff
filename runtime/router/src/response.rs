//! The response that a client gets: an app's response, an error page, or a tunnel.
//!
//! Owns the response body that the HTTP layer polls. The head comes from `request::running_call` or from an error page,
//! and the HTTP layer writes it. Must not know how a dyno was chosen.

pub(crate) mod error_page;
pub(crate) mod http_date;
pub(crate) mod response_body;
pub(crate) mod tunnel;

//! HTTP itself: versions, headers, interim responses, responses without content.

mod forwarded;
pub(crate) mod headers;
mod http10;
pub(crate) mod http2;
mod http2_fields;
mod http2_interim;
mod interim;
mod without_content;

//! The content of a request: its caller, and the values in its path, query, headers and body.
//!
//! Owns reading and checking them. Must not know routes.

pub(crate) mod caller;
pub(crate) mod extract;
pub(crate) mod json_body;
pub(crate) mod paging;
mod visibility;

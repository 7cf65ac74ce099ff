//! A guest's view of HTTP: the requests to the app, the responses, and the requests that the app sends.
//!
//! Must not know where requests come from, nor which addresses are open.

pub(super) mod fields;
pub(crate) mod handling;
pub(crate) mod outgoing;
pub(crate) mod state;
pub(crate) mod writing;

/// The interface of the engine's version. A component may have been built for any earlier 0.2 version.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12";

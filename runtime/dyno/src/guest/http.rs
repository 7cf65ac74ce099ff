//! What a guest sees of HTTP: requests to the app, its responses, and requests that the app sends.
//!
//! Must not know where requests come from, nor which addresses are open.

pub(super) mod fields;
pub(crate) mod handling;
pub(crate) mod outgoing;
pub(crate) mod state;
pub(crate) mod writing;

/// The interface as the engine offers it; a component may have been made for any 0.2 before.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12";

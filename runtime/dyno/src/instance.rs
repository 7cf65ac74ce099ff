//! Instances of handlers: how one boots, and how long it is good for.
//!
//! Must not know where requests come from, nor the list of this machine's dynos.

pub(crate) mod booted;
pub(crate) mod call;
pub(crate) mod outcome;
mod response_pump;
pub(crate) mod store;

//! From a request head to the call of a dyno.
//!
//! Owns admission, the routing table, buffered uploads, the queue of each app, and the request function. Must not know
//! sockets.

pub(crate) mod admission;
pub(crate) mod call_driver;
pub(crate) mod client_body;
pub(crate) mod dispatch;
pub(crate) mod forwarded;
pub(crate) mod queue;
pub(crate) mod routing_table;
pub(crate) mod running_call;
pub(crate) mod serve;
pub(crate) mod sleep_sweeper;
pub(crate) mod upload;

//! The dynos of this machine: steps of the planner in, reports out, and a dyno for whoever routes a request.
//!
//! The top room of this crate. Must not decide what to start or stop, nor which request goes where.

pub(crate) mod dyno;
pub(crate) mod node;
pub(crate) mod replacement;

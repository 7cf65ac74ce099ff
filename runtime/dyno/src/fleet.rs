//! The dynos of this machine: steps of the planner in, reports out, and a dyno for whoever routes a request.
//!
//! The top room of this crate. Must not decide what to start or stop, nor which request goes where.

pub(crate) mod dyno;
mod fetch;
mod form;
pub(crate) mod node;
mod replacement;
pub(crate) mod shared;
mod start;

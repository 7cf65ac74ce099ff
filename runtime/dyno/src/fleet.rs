//! The dynos of this machine: steps of the planner in, reports out, and free dynos for the router.
//!
//! The top module of this crate: it uses all others. Must not decide what to start or stop, nor which dyno gets a
//! request.

pub(crate) mod dyno;
mod fetch;
mod form;
pub(crate) mod node;
mod replacement;
pub(crate) mod shared;
mod start;

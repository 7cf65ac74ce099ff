//! From intent and observation to steps.
//!
//! Owns what is to be done next, and in which order. Must not know how a step is done.

mod report;
mod step;

pub use report::{CrashCause, Heartbeats, Inventory, Listed, Report};
pub use step::{Route, Serve, Step, StopReason};

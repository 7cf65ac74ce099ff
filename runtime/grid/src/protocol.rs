//! What crosses machines: the reconciler's steps and routes, the nodes' reports.
//!
//! Owns the shapes, their form on the wire and its version. Must not know why a step is chosen, how it is carried
//! out, or which transport takes it.

mod ending;
mod inventory;
mod one_off;
mod refusal;
mod report;
mod route;
mod step;

pub use ending::{CrashCause, Exit};
pub use inventory::{Heartbeats, Inventory, Listed};
pub use one_off::OneOff;
pub use refusal::{Refusal, Side};
pub use report::Report;
pub use route::{Route, Serve};
pub use step::{Step, StopReason};

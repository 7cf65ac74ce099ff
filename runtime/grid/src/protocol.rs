//! The messages between machines: the reconciler's steps and routes, the nodes' reports.
//!
//! Owns the shapes, their form on the wire and its version. Must not know why a step is chosen, how it is carried out,
//! or which transport takes it.

mod ending;
mod inventory;
mod message;
mod one_off;
mod refusal;
mod report;
mod route;
mod step;

pub use ending::{CrashCause, ProcessExit};
pub use inventory::{Heartbeats, Inventory, InventoryDyno};
pub use message::{Message, PROTOCOL_VERSION, UnknownProtocolVersion};
pub use one_off::OneOff;
pub use refusal::{Refusal, RefusalSide};
pub use report::Report;
pub use route::{Route, RouteTarget, RoutedDyno};
pub use step::{Step, StopReason};

#[cfg(test)]
mod tests;

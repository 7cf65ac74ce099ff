//! The pure core of dyno: names, desired state, observed state, and every decision that follows from them.
//!
//! Owns decisions: which dynos run on which node, which dyno takes a request, how long a crashed dyno waits, what an
//! hour costs. Must not know how a decision is carried out: no async, no I/O, no clock, no randomness, no global. Time
//! (`now`) and randomness (`seed`) are arguments, so that a test runs a whole grid in virtual time. The crate compiles
//! for `wasm32`, which has neither clocks nor threads.
//!
//! The loop that a reconciler runs around this crate:
//!
//! 1. fold facts into [`desired::DesiredState`], apply nodes' reports to [`observed::ObservedState`];
//! 2. [`plan::make_plan`] says which steps follow, and when to plan again;
//! 3. [`observed::ObservedState::issue_step`] notes each step as issued, an executor carries the step out, a node
//!    reports.
//!
//! Steps, routes and reports are in [`protocol`], with their form on the wire. A router drives one [`routing::Line`]
//! for each app. Modules use only modules further down in this list: `check`, `plan`, `placement`, `observed`,
//! `backoff`, `routing`, `protocol`, `desired`, `lifecycle`, `name`.

pub mod backoff;
pub mod check;
pub mod desired;
pub mod fault;
pub mod lifecycle;
pub mod name;
pub mod observed;
pub mod placement;
pub mod plan;
pub mod protocol;
pub mod routing;
pub mod text;
pub mod time;
pub mod usage;

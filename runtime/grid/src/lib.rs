//! The pure core of dyno: names, intent, observation, and every decision that follows from them.
//!
//! It owns what is *decided*: which dynos should run where, what the routers may hand requests to,
//! how long a crashed dyno waits, what an hour costs. It must not know how anything is *done*: there is
//! no async, no I/O, no clock, no randomness and no global here. Time is an argument (`now`), chance is
//! an argument (`seed`), so that a whole grid runs in virtual time in a test.
//!
//! The loop that a reconciler runs around this crate:
//!
//! 1. fold facts into [`desired::DesiredState`], apply reports to [`observed::ObservedState`];
//! 2. [`plan::make_plan`] says which steps follow, and when to look again;
//! 3. [`observed::ObservedState::issue_step`] notes each step as asked, an executor carries it out, a node reports.

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

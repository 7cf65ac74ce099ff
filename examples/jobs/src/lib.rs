//! The code that the web process, the workers and the clock share.

pub mod factors;
pub mod page;
pub mod queue;

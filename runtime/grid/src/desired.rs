//! Intent: what was asked for, as a fold of [`Fact`]s.
//!
//! Owns apps, releases, formations, domains and maintenance. Must not know what is observed.

mod fact;
mod release;

pub use fact::{Fact, Restart};
pub use release::{Kind, Limits, ProcessSpec, Release};

use crate::name::ProcessType;
use std::collections::BTreeMap;

/// How many dynos of each process type are wanted.
pub type Formation = BTreeMap<ProcessType, u32>;

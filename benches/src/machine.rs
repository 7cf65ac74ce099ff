//! The machine, and processes on it.

pub(crate) mod confine;
pub(crate) mod description;
pub(crate) mod descriptors;
pub(crate) mod process;

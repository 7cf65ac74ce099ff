//! Owns the C builder.

mod build;

pub(crate) use build::{MODULE, build, sources_of};

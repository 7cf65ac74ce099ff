//! Owns the C builder.

mod build;
pub(super) mod detect;

pub(super) use build::build;

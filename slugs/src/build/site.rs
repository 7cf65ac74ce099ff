//! Owns the builder of static sites.

mod build;
pub(super) mod detect;

pub(super) use build::build;

//! Owns the builder of static sites.

mod build;

pub(crate) use build::{INDEX, build};

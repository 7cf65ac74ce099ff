//! Owns the Rust builder.

mod advice;
mod build;

pub(super) use build::build;

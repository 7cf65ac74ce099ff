//! Owns the Rust builder.

mod advice;
mod build;
pub(super) mod detect;
mod flags;
mod metadata;
mod rustc;

pub(super) use build::build;

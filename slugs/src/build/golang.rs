//! Owns the Go builder.

mod advice;
mod build;
pub(super) mod detect;
mod overlay;
mod programs;
mod toolchain;

pub(super) use build::build;

//! Owns the Go builder.

mod advice;
mod build;
mod certificates;
pub(super) mod detect;
mod overlay;
mod programs;
mod toolchain;

pub(super) use build::build;

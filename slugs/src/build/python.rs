//! Owns the Python builder.

mod build;
mod component;
mod context;
pub(super) mod detect;
mod entry;
mod facts;
mod failures;
mod imports;
mod layout;
mod packages;
mod processes;
mod requirements;
pub(super) mod toolchain;
mod versions;

pub(super) use build::build;

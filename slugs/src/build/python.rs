//! Owns the Python builder.

mod build;
mod entry;
mod facts;
mod failures;
mod imports;
mod packages;
mod processes;
mod requirements;
mod versions;

pub(super) use build::{build, venv};

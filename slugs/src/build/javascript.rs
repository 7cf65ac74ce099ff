//! Owns the JavaScript and TypeScript builder.

mod app_copy;
mod build;
mod deno;
mod entry;
mod jsonc;
mod package;
mod project;
mod toolchain;
mod wrangler;

pub(super) use build::build;
pub(crate) use project::{is_lone_program, is_project};

//! Owns the JavaScript and TypeScript builder.

mod app_copy;
mod build;
mod bundle;
mod compose;
mod deno;
pub(super) mod detect;
mod entry;
mod jsonc;
mod package;
mod project;
mod toolchain;
mod wrangler;

pub(super) use build::build;

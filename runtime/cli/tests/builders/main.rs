//! Apps in JavaScript, TypeScript, Python and C: built by the real toolchains, run, used over HTTP; and what is said of
//! those that cannot be. The first run installs the toolchains into a cache of the tests.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod app_folder;
mod c;
mod hostile_clients;
mod javascript;
mod python;
mod rust;
mod site;
mod templates;
mod toolchains;

//! Apps in JavaScript, TypeScript, Python and C: built by the real toolchains, run, used over HTTP; and what is said of
//! those that cannot be. The first run installs the toolchains into a cache of the tests.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod api_ts;
mod app;
mod blog_py;
mod c;
mod django;
mod javascript;
mod javascript_errors;
mod javascript_shapes;
mod javascript_web;
mod python;
mod python_projects;
mod python_runtime;
mod rust;
mod site;
mod strangers;
mod templates;
mod toolchains;

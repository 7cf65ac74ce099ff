//! End-to-end tests of `dyno local`: folders, slugs and components in, responses and log lines out.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod app_arguments;
mod boot;
mod fairness;
mod lifecycle;
mod other_toolchains;
mod settings;
mod watch;

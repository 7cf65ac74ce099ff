//! `dyno local`, driven as its user drives it: folders, slugs and components in, answers and log lines out.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod app_arguments;
mod boot;
mod fairness;
mod lifecycle;
mod other_toolchains;
mod settings;
mod watch;

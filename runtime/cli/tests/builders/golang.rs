//! Apps in Go, with the standard library alone.

mod commands;
mod failures;
mod projects;
mod serving;
mod site_app;

//! Apps in Go, with the standard library alone.

mod commands;
mod connections;
mod failures;
mod projects;
mod serving;
mod site_app;

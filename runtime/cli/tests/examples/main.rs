//! The examples, used as their readers use them: run on this machine and deployed to a server, beside the real
//! PostgreSQL, Redis and memcached that they need, over HTTP, checked for what a person would see.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod chat;
mod guestbook;
mod jobs;
mod languages;
mod site;

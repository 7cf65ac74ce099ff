//! The examples, used as their READMEs describe: run on this machine, and deployed to a server, with real PostgreSQL,
//! Redis and memcached servers.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod chat;
mod guestbook;
mod jobs;
mod languages;
mod site;

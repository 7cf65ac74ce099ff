//! Apps in JavaScript, TypeScript, Python, Ruby, Go, C and Rust, and static sites: built by the real toolchains, run, and
//! requested over HTTP; and the messages for apps that cannot be built. The first run installs the toolchains into the
//! cache that tests share.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

#![allow(clippy::unwrap_used, missing_docs)]

mod app_folder;
mod c;
mod golang;
mod hostile_clients;
mod https_server;
mod javascript;
mod python;
mod request_errors;
mod ruby;
mod rust;
mod site;
mod templates;
mod toolchains;

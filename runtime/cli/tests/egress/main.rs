//! What apps may reach, told by the built binary between two networks of the test's own: `dyno serve` in one, and in the
//! other an internet with a server at every kind of address, and a name server that changes its mind.
//!
//! Knows the binary and its documented surface only, never a crate of the workspace.

#![allow(clippy::unwrap_used, missing_docs)]

mod closed_addresses;
mod internet_servers;
mod name_lookups;
mod name_server;
mod operator_openings;
mod outgoing_connections;
mod server;
mod tls;
mod two_networks;

//! Outgoing connections of apps. `dyno serve` runs in one network; the other network is an internet with a server at
//! every kind of address, and a name server that changes its answers.
//!
//! Must not know any crate of the workspace: the tests use the binary and its documented interface.

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

//! Every test guest, run by the built binary: the response to each kind of misbehaviour, and the promises to apps.
//!
//! Each guest has at least one test, named for it; the README of the guests says what each does. The tests look at the
//! process from outside: its log, its memory, its descriptors, and the bytes on the wire.

#![allow(clippy::unwrap_used, missing_docs)]

mod broken_bodies;
mod dyno_ends;
mod escapes;
mod guest_app;
mod hostile_clients;
mod resource_limits;
mod servers;
mod time_limits;
mod well_behaved;
mod without_content;

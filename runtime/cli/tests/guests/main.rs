//! Every test guest, run by the built binary: what each abuse gets, and what an app can count on.
//!
//! One test a guest at least, named for it; the guests' README says what each does. What is measured here is the
//! process as a user runs it: its log, its memory, its descriptors, and what goes over the wire.

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

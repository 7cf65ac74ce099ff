//! Every test guest, run by the built binary: what each abuse gets, and what an app can count on.
//!
//! One test a guest at least, named for it; the guests' README says what each does. What is measured here is the
//! process as a user runs it: its log, its memory, its descriptors, and what goes over the wire.

#![allow(clippy::unwrap_used, missing_docs)]

mod bodies;
mod ends;
mod good;
mod room;
mod servers;
mod stage;
mod strangers;
mod time;
mod ways_out;
mod without_content;

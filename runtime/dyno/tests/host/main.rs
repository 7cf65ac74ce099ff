//! Tests of the host with one guest program for each behaviour, without a planner or a router.

#![allow(clippy::unwrap_used, missing_docs)]

mod boot_hook;
mod crashes;
mod good;
mod programs;
mod random;
mod servers;
mod sleep;
mod support;
mod without_content;

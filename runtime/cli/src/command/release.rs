//! Commands about releases: deploys, rollbacks, and what became of each.

pub(super) mod deploy;
mod failure;
mod live;
mod plan;
pub(super) mod releases;
pub(super) mod rollback;
mod wait;

pub(super) use wait::wait_for_release;

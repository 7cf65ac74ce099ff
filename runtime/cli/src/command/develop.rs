//! Commands that work on this machine alone: new apps, slugs, and the local runner.

pub(super) mod build;
pub(super) mod local;
pub(super) mod new;
pub(super) mod slug;

//! Commands about one app, its settings, and what it uses.

pub(super) mod addons;
pub(super) mod apps;
pub(super) mod config;
pub(super) mod domains;
pub(super) mod logs;
pub(super) mod maintenance;
pub(super) mod usage;

//! Commands about a whole server: to be one, and to ask one.

pub(super) mod serve;
pub(super) mod slugs;
pub(super) mod status;

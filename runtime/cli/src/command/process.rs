//! Commands about an app's dynos.

pub(super) mod ps;
pub(super) mod run;

//! The settings in a route, besides its dynos.
//!
//! Owns the settings that follow from the app and its releases. Must not know which dynos there are.

use std::sync::Arc;
use std::time::Duration;

use super::Policy;
use crate::desired::{App, ProcessKind, Release};
use crate::name::Version;
use crate::routing;

pub(super) fn backlog_max(app: &App) -> u32 {
    routing::backlog_max(app.count_open_web_places())
}

/// The app's own time to the first byte, or that of the release's web dynos.
pub(super) fn request_timeout(app: &App, version: Option<Version>) -> Option<Duration> {
    let own = app.settings.request_timeout;
    own.or_else(|| {
        let web = shown_release(app, version)?.web_process()?;
        Some(web.limits.request_timeout)
    })
}

/// When the app's web dynos fall asleep. Only handlers sleep: a server runs by itself between two requests.
pub(super) fn idle_after(app: &App, version: Option<Version>, policy: &Policy) -> Option<Duration> {
    let web = shown_release(app, version).and_then(|release| release.web_process());
    let after = app.settings.idle_after.or_default(policy.idle_after);
    after.filter(|_| web.is_none_or(|web| web.kind == ProcessKind::Handler))
}

/// The release that serves, or else the one that requests wait for.
pub(super) fn shown_release(app: &App, version: Option<Version>) -> Option<&Arc<Release>> {
    let serving = version.and_then(|version| app.releases.get(&version));
    serving.or_else(|| app.target_release())
}

//! Waits for the outcome of a release.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use api::resource::{AppResource, OpenEnum, RELEASE_WAIT_SECS_MAX, ReleaseResource, ReleaseStatus};
use grid::lifecycle::RELEASE_PROCESS_MAX;

use super::failure;
use super::live::LiveReleaseLog;
use crate::client::{ApiResponse, RemoteApp, Unreachable};
use crate::terminal::{self, ProgressLine, clean};

/// Longest wait for a release. Each boot ends after a minute, whatever comes of it.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Pause before the next request, if the server answered the last one at once.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// How long a server may be out of reach, as during a restart.
const SERVER_ABSENCE_MAX: Duration = Duration::from_secs(30);

/// Waits for the outcome of a release, and returns the server's last answer about it. A failed release is an error; the
/// last lines of the log are printed first.
pub(crate) fn wait_for_release(
    app: &RemoteApp,
    version: &str,
    progress: ProgressLine,
) -> Result<ApiResponse> {
    let begun: ReleaseResource = app
        .client()
        .get(&app.path(&format!("/releases/{version}")))?
        .read()?;
    let live = LiveReleaseLog::start(app, &begun, &progress);
    let (verb, most) = match &live {
        Some(_) => ("Releasing", WAIT_MAX + RELEASE_PROCESS_MAX),
        None => ("Starting", WAIT_MAX),
    };
    progress.show_step(verb, &clean(version));
    let (answer, release) = wait_for_outcome(app, version, most)?;
    let is_shown = live.is_some();
    if let Some(live) = live {
        live.finish();
    }
    drop(progress);
    match release.status {
        OpenEnum::Known(ReleaseStatus::Failed) => {
            let reason = release
                .reason
                .as_deref()
                .map_or("no reason is known", str::trim);
            failure::show_log(app, &release, is_shown);
            let serving = failure::describe_serving_release(app);
            bail!(
                "{version} of {} failed: {}; {serving}",
                app.name,
                clean(reason)
            );
        }
        OpenEnum::Known(ReleaseStatus::Retired) => {
            terminal::print_note("Superseded", &format!("{version}, by a later release"));
        }
        OpenEnum::Known(ReleaseStatus::Pending) => bail!(
            "{version} of {} is still under way: see `dyno releases info {version}` and `dyno logs -t`",
            app.name
        ),
        OpenEnum::Known(ReleaseStatus::Serving) | OpenEnum::Unknown(_) => {}
    }
    Ok(answer)
}

fn wait_for_outcome(
    app: &RemoteApp,
    version: &str,
    most: Duration,
) -> Result<(ApiResponse, ReleaseResource)> {
    let path = app.path(&format!(
        "/releases/{version}?wait={}",
        RELEASE_WAIT_SECS_MAX / 2
    ));
    let start = Instant::now();
    let mut heard = start;
    loop {
        match app.client().get(&path) {
            Ok(answer) => {
                let release: ReleaseResource = answer.read()?;
                if release.status != ReleaseStatus::Pending || start.elapsed() > most {
                    return Ok((answer, release));
                }
                heard = Instant::now();
            }
            Err(error) if error.is::<Unreachable>() && heard.elapsed() < SERVER_ABSENCE_MAX => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// Prints that a release serves, and its URL.
pub(crate) fn print_served(app: &RemoteApp, version: &str) -> Result<()> {
    let served: AppResource = app.client().get(&app.path(""))?.read()?;
    let path = app.path(&format!("/releases/{version}"));
    let release: ReleaseResource = app.client().get(&path)?.read()?;
    if !release.processes.contains_key("web") {
        let text = format!(
            "{} {} is up: it has no web process",
            app.name,
            clean(version)
        );
        return terminal::print(&text);
    }
    let url = clean(&served.url);
    if served.formation.get("web").is_none_or(|count| *count == 0) {
        let next = format!(
            "the app has no web dyno: dyno ps scale web=1 -a {}",
            app.name
        );
        terminal::print_warning(&next);
    }
    terminal::print(&format!("{} {} is up: {url}", app.name, clean(version)))
}

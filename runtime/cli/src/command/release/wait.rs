//! Waiting until it is known what became of a release.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use api::resource::{AppResource, OpenEnum, RELEASE_WAIT_SECS_MAX, ReleaseResource, ReleaseStatus};
use grid::lifecycle::RELEASE_PROCESS_MAX;

use super::failure;
use super::live::LiveReleaseLog;
use crate::client::{ApiResponse, TargetApp, Unreachable};
use crate::terminal::{self, ProgressLine, clean};

/// How long a release may be under way before nobody waits for it any more: boots end after a minute each.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Between two questions that were answered at once.
const PAUSE: Duration = Duration::from_millis(300);
/// A server that is started anew is waited for so long.
const ABSENCE_MAX: Duration = Duration::from_secs(30);

/// Waits for a release of `app`. Gives the server's last word on it; one that failed is an error, with the log's last lines
/// before it.
pub(crate) fn settle(app: &TargetApp, version: &str, working: ProgressLine) -> Result<ApiResponse> {
    let begun: ReleaseResource = app
        .client()
        .get(&app.path(&format!("/releases/{version}")))?
        .read()?;
    let live = LiveReleaseLog::begin(app, &begun, &working);
    let (verb, most) = match &live {
        Some(_) => ("Releasing", WAIT_MAX + RELEASE_PROCESS_MAX),
        None => ("Starting", WAIT_MAX),
    };
    working.step(verb, &clean(version));
    let (answer, release) = wait(app, version, most)?;
    let told = live.is_some();
    if let Some(live) = live {
        live.finish();
    }
    drop(working);
    match release.status {
        OpenEnum::Known(ReleaseStatus::Failed) => {
            let reason = release
                .reason
                .as_deref()
                .map_or("no reason is known", str::trim);
            failure::show_log(app, &release, told);
            let serving = failure::serving_instead(app);
            bail!(
                "{version} of {} failed: {}; {serving}",
                app.name,
                clean(reason)
            );
        }
        OpenEnum::Known(ReleaseStatus::Retired) => {
            terminal::note("Superseded", &format!("{version}, by a later release"));
        }
        OpenEnum::Known(ReleaseStatus::Pending) => bail!(
            "{version} of {} is still under way: see `dyno releases info {version}` and `dyno logs -t`",
            app.name
        ),
        OpenEnum::Known(ReleaseStatus::Serving) | OpenEnum::Unknown(_) => {}
    }
    Ok(answer)
}

fn wait(app: &TargetApp, version: &str, most: Duration) -> Result<(ApiResponse, ReleaseResource)> {
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
            Err(error) if error.is::<Unreachable>() && heard.elapsed() < ABSENCE_MAX => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(PAUSE);
    }
}

/// Says that a release serves, and where.
pub(crate) fn up(app: &TargetApp, version: &str) -> Result<()> {
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
        let next = format!("no web dyno is wanted: dyno ps scale web=1 -a {}", app.name);
        terminal::warning(&next);
    }
    terminal::print(&format!("{} {} is up: {url}", app.name, clean(version)))
}

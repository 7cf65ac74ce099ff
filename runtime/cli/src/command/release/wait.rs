//! Waiting until it is known what became of a release.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use grid::lifecycle::RELEASE_PROCESS_MAX;

use super::failure;
use super::live::Live;
use crate::client::types::{self, Release, Status};
use crate::client::{Answer, App, Unreachable, WAIT_SECS_MAX};
use crate::terminal::{self, Working, clean};

/// How long a release may be under way before nobody waits for it any more: boots end after a minute each.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Between two questions that were answered at once.
const PAUSE: Duration = Duration::from_millis(300);
/// A server that is started anew is waited for so long.
const ABSENCE_MAX: Duration = Duration::from_secs(30);

/// Waits for a release of `app`. Gives the server's last word on it; one that failed is an error, with the log's last lines
/// before it.
pub(crate) fn settle(app: &App, version: &str, working: Working) -> Result<Answer> {
    let begun: Release = app
        .client()
        .get(&app.path(&format!("/releases/{version}")))?
        .read()?;
    let live = Live::begin(app, &begun, &working);
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
        Status::Failed => {
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
        Status::Retired => terminal::note("Superseded", &format!("{version}, by a later release")),
        Status::Pending => bail!(
            "{version} of {} is still under way: see `dyno releases info {version}` and `dyno logs -t`",
            app.name
        ),
        Status::Serving | Status::Other => {}
    }
    Ok(answer)
}

fn wait(app: &App, version: &str, most: Duration) -> Result<(Answer, Release)> {
    let path = app.path(&format!("/releases/{version}?wait={}", WAIT_SECS_MAX / 2));
    let start = Instant::now();
    let mut heard = start;
    loop {
        match app.client().get(&path) {
            Ok(answer) => {
                let release: Release = answer.read()?;
                if release.status != Status::Pending || start.elapsed() > most {
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
pub(crate) fn up(app: &App, version: &str) -> Result<()> {
    let served: types::App = app.client().get(&app.path(""))?.read()?;
    let path = app.path(&format!("/releases/{version}"));
    let release: Release = app.client().get(&path)?.read()?;
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

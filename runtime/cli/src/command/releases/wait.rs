//! Waiting until it is known what became of a release.

use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use grid::plan::RELEASE_PROCESS_MAX;

use super::live::{self, Live};
use crate::client::types::{self, Release, Status};
use crate::client::{Answer, App, Unreachable, WAIT_SECS_MAX};
use crate::term::{self, Working, clean};

/// How long a release may be under way before nobody waits for it any more: boots end after a minute each.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Between two questions that were answered at once.
const PAUSE: Duration = Duration::from_millis(300);
/// A server that is started anew is waited for so long.
const ABSENCE_MAX: Duration = Duration::from_secs(30);
/// Lines of the log that are shown of a release that failed, of so many that are looked at: those of requests tell
/// of the release that served meanwhile.
const LOG_LINES: usize = 20;
const LOG_LOOK: usize = 500;
/// The log is written a moment after the fact: how often it is looked at, and the time in between.
const LOG_LOOKS: usize = 10;
const LOG_PAUSE: Duration = Duration::from_millis(50);

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
            show_log(app, &release, told);
            bail!(
                "{version} of {} failed: {}; what served before goes on serving",
                app.name,
                clean(reason)
            );
        }
        Status::Retired => term::note("Superseded", &format!("{version}, by a later release")),
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

/// The lines since a release was made, as a help: without them the reason must do. Those of the release process may be
/// `told` already.
fn show_log(app: &App, release: &Release, told: bool) {
    let last = format!("Release {} failed", release.version);
    let mut lines = Vec::new();
    for _ in 0..LOG_LOOKS {
        std::thread::sleep(LOG_PAUSE);
        let Some(text) = read_log(app) else { break };
        let told = text
            .lines()
            .filter(|line| !line.contains(" dyno[router]: "))
            .filter(|line| !told || !line.contains(live::OF_APP))
            .filter(|line| !live::is_before(line, &release.created_at));
        lines = told.map(str::to_owned).collect();
        if lines.iter().any(|line| line.contains(&last)) {
            break;
        }
    }
    let first = lines.len().saturating_sub(LOG_LINES);
    if !lines.is_empty() {
        term::aside(&clean(&lines[first..].join("\n")));
    }
}

fn read_log(app: &App) -> Option<String> {
    let path = app.path(&format!("/logs?n={LOG_LOOK}"));
    let mut text = String::new();
    let mut stream = app.client().stream(&path).ok()?;
    stream.read_to_string(&mut text).ok()?;
    Some(text)
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
        return term::print(&text);
    }
    let url = clean(&served.url);
    if served.formation.get("web").is_none_or(|count| *count == 0) {
        let next = format!("no web dyno is wanted: dyno ps scale web=1 -a {}", app.name);
        term::warning(&next);
    }
    term::print(&format!("{} {} is up: {url}", app.name, clean(version)))
}

//! The transcript of a run, as text.
//!
//! Owns the format of golden files. Must not know the callers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use grid::desired::{Fact, Limits};
use grid::lifecycle;
use grid::observed::DynoChange;
use grid::plan::PlanNote;
use grid::protocol::{Route, RouteTarget, Step};
use grid::time::Time;

/// The lines of a run.
#[derive(Default)]
pub(crate) struct Transcript {
    text: String,
    notes: BTreeSet<PlanNote>,
}

impl Transcript {
    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }

    pub(crate) fn line(&mut self, now: Time, line: &str) {
        let now = now.to_string();
        writeln!(self.text, "{now:>9}  {line}").expect("a string takes all");
    }

    pub(crate) fn input(&mut self, now: Time, line: &str) {
        self.line(now, &format!("> {line}"));
    }

    pub(crate) fn change(&mut self, now: Time, change: &DynoChange) {
        let why = change
            .crash
            .as_ref()
            .map(|(cause, reason)| format!(" ({cause:?}: {reason})"));
        let exit = change.exit.as_ref().map(|exit| format!(" ({exit})"));
        let why = why.or(exit);
        let text = lifecycle::describe_change(change.from, change.to).unwrap_or_default();
        self.line(
            now,
            &format!("  {}: {text}{}", change.dyno, why.unwrap_or_default()),
        );
    }

    pub(crate) fn step(&mut self, now: Time, step: &Step) {
        let text = match step {
            Step::Fetch {
                node, app, release, ..
            } => format!("fetch {app} {release} on {node}"),
            Step::Start {
                node,
                dyno,
                release,
                asleep,
            } => {
                let how = if *asleep { ", asleep" } else { "" };
                format!("start {dyno} {release} on {node}{how}")
            }
            Step::Run {
                node,
                dyno,
                release,
            } => format!("run {dyno} {release} on {node}"),
            Step::Publish { route } => publish(route),
            Step::Withdraw { app } => format!("withdraw {app}"),
            Step::Drain { dyno, grace, .. } => format!("drain {dyno} until {}", now + *grace),
            Step::Stop { dyno, reason, .. } => format!("stop {dyno}: {reason:?}"),
            Step::Forget { node, app, release } => format!("forget {app} {release} on {node}"),
            Step::Record { fact } => format!("record {}", record(fact)),
        };
        self.line(now, &text);
    }

    /// Appends notes that are new.
    pub(crate) fn notes(&mut self, now: Time, notes: &BTreeSet<PlanNote>) {
        for note in notes.difference(&self.notes.clone()) {
            self.line(now, &format!("  note: {note}"));
        }
        self.notes.clone_from(notes);
    }
}

fn publish(route: &Route) -> String {
    let version = route
        .version
        .map_or("nothing".to_owned(), |version| version.to_string());
    let serve = match &route.target {
        RouteTarget::Dynos(dynos) => {
            let dynos: Vec<String> = dynos
                .iter()
                .map(|d| format!("{}#{}", d.dyno.dyno, d.dyno.run))
                .collect();
            dynos.join(" ")
        }
        RouteTarget::Booting => "booting".into(),
        RouteTarget::Refuse(refusal) => refusal.to_string(),
    };
    let time = |name: &str, time: Option<Duration>| match time {
        Some(time) => format!(" {name}={time:?}"),
        None => String::new(),
    };
    // Defaults are omitted, so that lines show only what is unusual.
    let timeout = route.request_timeout;
    let unusual = timeout.filter(|timeout| *timeout != Limits::REQUEST_TIMEOUT);
    format!(
        "publish {} {version} as {}: {serve}{}{}",
        route.app,
        route.generation,
        time("timeout", unusual),
        time("idle", route.idle_after),
    )
}

fn record(fact: &Fact) -> String {
    match fact {
        Fact::ReleaseServing { version, .. } => format!("{version} serves"),
        Fact::ReleaseFailed {
            version, reason, ..
        } => format!("{version} failed: {reason}"),
        Fact::ReleaseProcessEnded {
            version, failure, ..
        } => match failure {
            None => format!("{version} is prepared"),
            Some(reason) => format!("{version} failed: {reason}"),
        },
        Fact::NodeJoined { node } => format!("{node} joined"),
        Fact::NodeLeft { node } => format!("{node} left"),
        Fact::ReleasesPruned { before, .. } => format!("releases before {before} are gone"),
        other => format!("{other:?}"),
    }
}

//! The texts of log lines about actions of the control plane.
//!
//! Owns the texts. Must not know how lines are stored, coloured or sent.

use crate::log_event::{EventSource, LogEvent};
use crate::once::OneOffStart;
use grid::desired::{App, AppSettings, DesiredState, Fact, IdleSetting, RestartTarget};
use grid::fault::Fault;
use grid::lifecycle;
use grid::lifecycle::DRAIN_GRACE;
use grid::name::{AppName, DynoId, ProcessType};
use grid::observed::DynoChange;
use grid::plan::PlanNote;
use grid::protocol::{CrashCause, Step, StopReason};
use std::time::Duration;

/// Bytes of one MiB.
const MIB: u64 = 1024 * 1024;

fn api_line(app: &AppName, text: String) -> LogEvent {
    LogEvent {
        app: app.clone(),
        source: EventSource::Api,
        text,
    }
}

fn dyno_line(app: &AppName, dyno: &DynoId, text: String) -> LogEvent {
    LogEvent {
        app: app.clone(),
        source: EventSource::Dyno(dyno.clone()),
        text,
    }
}

/// The lines for a change of a dyno's state.
pub(crate) fn lines_for_change(change: &DynoChange) -> Vec<LogEvent> {
    let (app, id) = (&change.dyno.app, &change.dyno.dyno);
    let why = change.crash.as_ref().map(|(cause, reason)| match cause {
        CrashCause::BootTimeout => format!("{} -> {reason}", Fault::BootTimeout),
        CrashCause::Memory => format!("{} -> {reason}", Fault::MemoryQuotaVastlyExceeded),
        CrashCause::Discarded | CrashCause::Lost => format!("Replacing: {reason}"),
        CrashCause::Boot | CrashCause::Trap | CrashCause::Exit | CrashCause::Killed => {
            format!("Crashed: {reason}")
        }
    });
    let exit = change.exit.as_ref().map(ToString::to_string);
    let texts = why
        .into_iter()
        .chain(exit)
        .chain(lifecycle::describe_change(change.from, change.to));
    texts.map(|text| dyno_line(app, id, text)).collect()
}

/// The line for a step that reports a fault.
pub(crate) fn line_for_step(step: &Step) -> Option<LogEvent> {
    let Step::Stop {
        dyno: key,
        reason: StopReason::DrainTimeout,
        ..
    } = step
    else {
        return None;
    };
    let secs = DRAIN_GRACE.as_secs();
    let text = format!(
        "{} -> it did not finish within {secs} seconds",
        Fault::ExitTimeout
    );
    Some(dyno_line(&key.app, &key.dyno, text))
}

/// The line for a fact that `by` requested. The fact is already applied to `desired`.
pub(crate) fn line_for_fact(fact: &Fact, desired: &DesiredState, by: &str) -> Option<LogEvent> {
    let app = fact.app()?;
    let text = match fact {
        Fact::ReconcilerStarted
        | Fact::NodeJoined { .. }
        | Fact::NodeLeft { .. }
        | Fact::ReleasesPruned { .. } => return None,
        Fact::AppCreated { .. } => format!("App {app} created by {by}"),
        Fact::AppDestroyed { .. } => format!("App {app} destroyed by {by}"),
        Fact::ReleaseCreated { release, .. } => {
            format!(
                "Release {} created by {by} ({})",
                release.version, release.description
            )
        }
        Fact::ReleaseServing { version, .. } => format!("Release {version} is serving"),
        Fact::ReleaseFailed {
            version, reason, ..
        } => {
            format!("Release {version} failed: {reason}")
        }
        Fact::ReleaseProcessEnded {
            version, failure, ..
        } => match failure {
            None => format!("Release {version} is prepared: its release command succeeded"),
            Some(reason) => format!("Release {version} failed: {reason}"),
        },
        Fact::Scaled { process, count, .. } => {
            let known = desired.apps.get(app);
            let size = known.and_then(|app| size_suffix(app, process));
            let size = size.unwrap_or_default();
            format!("Scaled to {process}@{count}{size} by {by}")
        }
        Fact::RestartAsked {
            target: RestartTarget::All,
            ..
        } => format!("Restarting all dynos, asked by {by}"),
        Fact::RestartAsked {
            target: RestartTarget::Dyno(dyno),
            ..
        } => format!("Restarting {dyno}, asked by {by}"),
        Fact::MaintenanceSet { on, .. } => {
            let on = if *on { "on" } else { "off" };
            format!("Maintenance mode turned {on} by {by}")
        }
        Fact::DomainAdded { hostname, .. } => format!("Domain {hostname} added by {by}"),
        Fact::DomainRemoved { hostname, .. } => format!("Domain {hostname} removed by {by}"),
        Fact::ConfigKept { config, .. } => {
            let names: Vec<&str> = config.0.keys().map(String::as_str).collect();
            let names = names.join(", ");
            format!("Config vars for the first release: {names}, set by {by}")
        }
        Fact::AppSet { settings, .. } => format!("{} by {by}", describe_settings(settings)),
        Fact::Resized {
            process,
            memory_bytes,
            ..
        } => format!("{} by {by}", describe_resize(process, *memory_bytes)),
        Fact::DynoStopped { dyno, .. } => format!("Stopping {dyno}, asked by {by}"),
        Fact::AddonRequested { .. }
        | Fact::AddonMade { .. }
        | Fact::AddonAttached { .. }
        | Fact::AddonDetached { .. }
        | Fact::AddonDestroying { .. }
        | Fact::AddonGone { .. } => return line_for_addon_fact(fact, desired, by),
    };
    Some(api_line(app, text))
}

/// The line for a fact about an add-on. Never contains the value of a config var.
fn line_for_addon_fact(fact: &Fact, desired: &DesiredState, by: &str) -> Option<LogEvent> {
    let text = match fact {
        Fact::AddonRequested { addon } => {
            let (service, name) = (addon.service, &addon.name);
            format!("Add-on {name} ({service}) asked for by {by}")
        }
        Fact::AddonMade { addon, .. } => format!("Add-on {addon} is there"),
        Fact::AddonAttached { addon, name, .. } => {
            format!("Add-on {addon} attached as {name} by {by}")
        }
        Fact::AddonDetached { addon, .. } => format!("Add-on {addon} detached by {by}"),
        Fact::AddonDestroying { addon, .. } => format!("Add-on {addon} is being destroyed"),
        Fact::AddonGone { addon, .. } => format!("Add-on {addon} is gone"),
        _ => return None,
    };
    let app = fact.app()?;
    // A destroyed app has no log.
    desired.apps.contains_key(app).then(|| api_line(app, text))
}

fn describe_settings(settings: &AppSettings) -> String {
    let time = |time: Duration| humantime::format_duration(time).to_string();
    let timeout = settings.request_timeout.map_or("default".to_owned(), time);
    let idle_after = match settings.idle_after {
        IdleSetting::Default => "default".to_owned(),
        IdleSetting::Off => "off".to_owned(),
        IdleSetting::After(after) => time(after),
    };
    format!("Set timeout={timeout} idle-after={idle_after}")
}

fn describe_resize(process: &ProcessType, memory_bytes: Option<u64>) -> String {
    match memory_bytes {
        Some(bytes) => format!("Resized {process} to {}MiB", bytes / MIB),
        None => format!("Resized {process} to what its slug says"),
    }
}

/// The size, such as `:128MiB`, if the newest release has the process type.
fn size_suffix(app: &App, process: &ProcessType) -> Option<String> {
    let spec = app.newest_release()?.processes.get(process)?;
    Some(format!(":{}MiB", spec.limits.memory_bytes / MIB))
}

/// The line for a one-off dyno that starts.
pub(crate) fn line_for_one_off(one_off: &OneOffStart) -> LogEvent {
    let (dyno, wanted) = (&one_off.dyno, &one_off.wanted);
    let (program, by) = (&wanted.program, &wanted.by);
    let text = format!("Starting {} ({program}), asked by {by}", dyno.dyno);
    api_line(&dyno.app, text)
}

/// The line for a request to stop a dyno that runs once.
pub(crate) fn line_for_stop(app: &AppName, dyno: &DynoId, by: &str) -> LogEvent {
    api_line(app, format!("Stopping {dyno}, asked by {by}"))
}

/// The line for a note of the planner, if the note concerns the app's owner.
pub(crate) fn line_for_note(note: &PlanNote, now: grid::time::Time) -> Option<LogEvent> {
    match note {
        PlanNote::NoRoom { app, dyno: id, .. } => {
            Some(dyno_line(app, id, format!("Cannot start: {note}")))
        }
        PlanNote::BackingOff {
            app,
            dyno: id,
            until,
        } => {
            let secs = until.since(now).as_secs_f64();
            Some(dyno_line(
                app,
                id,
                format!("Restarting in {secs:.1} seconds"),
            ))
        }
        PlanNote::Settling
        | PlanNote::MostNodesSilent
        | PlanNote::NoNodes
        | PlanNote::NodeSilent { .. }
        | PlanNote::UnknownApp { .. } => None,
    }
}

//! The facts that a command becomes.
//!
//! Owns which commands make sense, and when. Must not know how a fact is written or carried out.

use super::addon_facts;
use super::app_facts::AppContext;
use super::error::CommandError;
use super::kinds::Command;
use super::limits::{IDLE_AFTER, REQUEST_TIMEOUT};
use crate::actor::Actor;
use grid::desired::{AppSettings, DesiredState, Fact, IdleSetting, RestartTarget};
use grid::name::AppName;
use grid::observed::ObservedState;

/// The facts that a command becomes, given intent and observation as they are. Without any, it is carried
/// out already.
pub(crate) fn facts(
    desired: &DesiredState,
    observed: &ObservedState,
    command: Command,
    actor: &Actor,
) -> Result<Vec<Fact>, CommandError> {
    let facts = translate(desired, observed, command, actor)?;
    let mut trial = desired.clone();
    for fact in &facts {
        trial.apply_fact(fact)?;
    }
    Ok(facts)
}

fn translate(
    desired: &DesiredState,
    observed: &ObservedState,
    command: Command,
    actor: &Actor,
) -> Result<Vec<Fact>, CommandError> {
    let before = observed.next_run;
    let about = |app: &AppName| {
        desired
            .app(app)
            .map(|app| AppContext { app, before, actor })
    };
    let one = |fact| Ok(vec![fact]);
    match command {
        Command::CreateApp { app, hostnames } => {
            // Its dynos and releases would pass for those of the new one.
            if desired.app(&app).is_err() && observed.has_any_of(&app) {
                return Err(CommandError::StillEnding(app));
            }
            one(Fact::AppCreated { app, hostnames })
        }
        Command::DestroyApp { app } => {
            let mut facts = addon_facts::with_app(desired, &app)?;
            facts.push(Fact::AppDestroyed { app, before });
            Ok(facts)
        }
        Command::Deploy { app, deploy } => about(&app)?.deployed(deploy),
        Command::Scale { app, counts, sizes } => about(&app)?.scaled(counts, &sizes),
        Command::Rollback { app, to } => about(&app)?.rolled_back(to),
        Command::Restart { app, target } => {
            if let RestartTarget::Dyno(dyno) = &target {
                if dyno.process.runs_once() {
                    return Err(CommandError::NotRestarted(dyno.clone()));
                }
                about(&app)?.expect_place(dyno)?;
            }
            about(&app)?.newest()?;
            one(Fact::RestartAsked {
                app,
                target,
                before,
            })
        }
        Command::StopDyno { app, dyno } => about(&app)?.stopped(dyno),
        Command::SetMaintenance { app, on } => one(Fact::MaintenanceSet { app, on }),
        Command::SetConfig { app, changes } => {
            addon_facts::expect_not_owned(desired, about(&app)?.app, &changes.0)?;
            about(&app)?.reconfigured(changes)
        }
        Command::AddDomain { app, hostname } => one(Fact::DomainAdded { app, hostname }),
        Command::RemoveDomain { app, hostname } => one(Fact::DomainRemoved { app, hostname }),
        Command::SetSettings { app, settings } => {
            check_settings(&settings)?;
            one(Fact::AppSet { app, settings })
        }
        Command::Addon(command) => addon_facts::facts(desired, observed, command, actor),
    }
}

fn check_settings(settings: &AppSettings) -> Result<(), CommandError> {
    let timeout = settings.request_timeout;
    if let Some(timeout) = timeout.filter(|timeout| !REQUEST_TIMEOUT.contains(timeout)) {
        return Err(CommandError::RequestTimeout(timeout));
    }
    match settings.idle_after {
        IdleSetting::After(time) if !IDLE_AFTER.contains(&time) => {
            Err(CommandError::IdleAfter(time))
        }
        IdleSetting::Default | IdleSetting::Off | IdleSetting::After(_) => Ok(()),
    }
}

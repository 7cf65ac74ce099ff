//! Translates a command to facts.
//!
//! Owns the choice of the translation for each command. Must not know how a fact is written or carried out.

use super::addon_facts;
use super::app_facts::AppContext;
use super::error::CommandError;
use super::kinds::Command;
use super::limits::{IDLE_AFTER, REQUEST_TIMEOUT};
use crate::actor::ChangeStamp;
use grid::desired::{AppSettings, DesiredState, Fact, IdleSetting, RestartTarget};
use grid::name::AppName;
use grid::observed::ObservedState;

/// Translates a command to facts, given the desired and the observed state. An empty list means that the command
/// changes nothing.
pub(crate) fn facts(
    desired: &DesiredState,
    observed: &ObservedState,
    command: Command,
    stamp: ChangeStamp<'_>,
) -> Result<Vec<Fact>, CommandError> {
    let facts = translate_command(desired, observed, command, stamp)?;
    let mut trial = desired.clone();
    for fact in &facts {
        trial.apply_fact(fact)?;
    }
    Ok(facts)
}

fn translate_command(
    desired: &DesiredState,
    observed: &ObservedState,
    command: Command,
    stamp: ChangeStamp<'_>,
) -> Result<Vec<Fact>, CommandError> {
    let before = observed.next_run;
    let about = |app: &AppName| {
        desired
            .app(app)
            .map(|app| AppContext { app, before, stamp })
    };
    let one = |fact| Ok(vec![fact]);
    match command {
        Command::CreateApp { app, hostnames } => {
            // Dynos and releases of the old app would be mistaken for those of the new app.
            if desired.app(&app).is_err() && observed.has_any_of(&app) {
                return Err(CommandError::StillEnding(app));
            }
            one(Fact::AppCreated { app, hostnames })
        }
        Command::DestroyApp { app } => {
            let mut facts = addon_facts::facts_for_destroyed_app(desired, &app)?;
            facts.push(Fact::AppDestroyed { app, before });
            Ok(facts)
        }
        Command::Deploy { app, deploy } => about(&app)?.deploy(deploy),
        Command::Scale { app, counts, sizes } => about(&app)?.scale_and_resize(counts, &sizes),
        Command::Rollback { app, to } => about(&app)?.roll_back(to),
        Command::Restart { app, target } => {
            if let RestartTarget::Dyno(dyno) = &target {
                if dyno.process.runs_once() {
                    return Err(CommandError::NotRestarted(dyno.clone()));
                }
                about(&app)?.expect_place(dyno)?;
            }
            about(&app)?.newest_release()?;
            one(Fact::RestartAsked {
                app,
                target,
                before,
            })
        }
        Command::StopDyno { app, dyno } => about(&app)?.stop_dyno(dyno),
        Command::SetMaintenance { app, on } => one(Fact::MaintenanceSet { app, on }),
        Command::SetConfig { app, changes } => {
            addon_facts::expect_vars_not_owned(desired, about(&app)?.app, &changes.0)?;
            about(&app)?.change_config(changes)
        }
        Command::AddDomain { app, hostname } => one(Fact::DomainAdded { app, hostname }),
        Command::RemoveDomain { app, hostname } => one(Fact::DomainRemoved { app, hostname }),
        Command::SetSettings { app, settings } => {
            check_settings(&settings)?;
            one(Fact::AppSet { app, settings })
        }
        Command::Addon(command) => addon_facts::facts(desired, observed, command, stamp),
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

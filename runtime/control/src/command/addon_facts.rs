//! Translates commands about add-ons to facts.
//!
//! Owns when an add-on may be created, attached and destroyed, and which releases follow. Must not know how a
//! service is created: the add-on keeper reports the result as a command.

use super::app_facts::AppContext;
use super::config_vars::check_config_vars;
use super::error::CommandError;
use super::kinds::{AddonCommand, AddonSpec};
use super::limits::{ADDONS_MAX, ADDONS_PER_APP_MAX};
use crate::actor::ChangeStamp;
use grid::desired::{
    Addon, AddonDetails, AddonService, AddonState, App, ConfigVars, DesiredState, Fact, FactError,
    NewAddon, Release,
};
use grid::name::{AddonName, AppName, AttachmentName, Endpoint};
use grid::observed::ObservedState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The default attachment name of a service.
pub fn default_attachment_name(service: AddonService) -> AttachmentName {
    let name = service.attached_as().parse();
    name.expect("a service's default name is one")
}

/// Translates a command to facts.
pub(super) fn facts(
    desired: &DesiredState,
    observed: &ObservedState,
    command: AddonCommand,
    stamp: ChangeStamp<'_>,
) -> Result<Vec<Fact>, CommandError> {
    let about = |app: &AppName| {
        let before = observed.next_run;
        desired
            .app(app)
            .map(|app| AppContext { app, before, stamp })
    };
    match command {
        AddonCommand::Create(addon) => request_addon(desired, addon, stamp),
        AddonCommand::Made { addon, made } => {
            let asked = &find_addon(desired, &addon)?.request;
            let mut facts = vec![Fact::AddonMade {
                app: asked.owner.clone(),
                addon: addon.clone(),
                made: made.clone(),
            }];
            facts.extend(about(&asked.owner)?.attach_addon(asked, &made, &asked.attach_as)?);
            Ok(facts)
        }
        AddonCommand::Attach { app, addon, name } => {
            let Addon {
                request: asked,
                state,
            } = find_addon(desired, &addon)?;
            let AddonState::Ready(made) = state else {
                return Err(FactError::NoSuchAddon(addon).into());
            };
            let name = name.unwrap_or_else(|| default_attachment_name(asked.service));
            let about = about(&app)?;
            if let Some(known) = about.app.attachments.name_of(&addon) {
                let (name, app) = (known.clone(), app.clone());
                return Err(CommandError::AttachedAlready { app, addon, name });
            }
            expect_room_for_addon(desired, about.app)?;
            expect_name_free(desired, about.app, &name, asked.service)?;
            about.attach_addon(asked, made, &name)
        }
        AddonCommand::Detach { app, addon } => {
            let owner = &find_addon(desired, &addon)?.request.owner;
            if *owner == app {
                return Err(CommandError::OwnAddon { app, addon });
            }
            about(&app)?.detach_addon(&addon, "Detach")
        }
        AddonCommand::Destroy { addon } => destroy_addon(desired, addon, about),
        AddonCommand::Gone { addon } => Ok(vec![Fact::AddonGone {
            app: find_addon(desired, &addon)?.request.owner.clone(),
            addon,
        }]),
    }
}

/// Takes an add-on away from every app that has it, and marks it for destruction. No facts for an add-on that is being
/// destroyed already.
fn destroy_addon<'a>(
    desired: &'a DesiredState,
    addon: AddonName,
    about: impl Fn(&AppName) -> Result<AppContext<'a>, FactError>,
) -> Result<Vec<Fact>, CommandError> {
    let Addon { request, state } = find_addon(desired, &addon)?;
    if matches!(state, AddonState::Destroying(_)) {
        return Ok(Vec::new());
    }
    let having = desired.apps.values();
    let having = having.filter(|app| app.attachments.name_of(&addon).is_some());
    let mut facts = Vec::new();
    for app in having {
        facts.extend(about(&app.name)?.detach_addon(&addon, "Destroy")?);
    }
    facts.push(Fact::AddonDestroying {
        app: request.owner.clone(),
        addon,
    });
    Ok(facts)
}

/// The facts that destroy an app's own add-ons together with the app. Rejected if one of them is attached to
/// another app.
pub(super) fn facts_for_destroyed_app(
    desired: &DesiredState,
    app: &AppName,
) -> Result<Vec<Fact>, CommandError> {
    let mut facts = Vec::new();
    for (name, addon) in desired.addons.iter() {
        if addon.request.owner != *app || matches!(addon.state, AddonState::Destroying(_)) {
            continue;
        }
        let others = desired.apps.values();
        let mut others = others.filter(|other| other.name != *app);
        if let Some(other) = others.find(|other| other.attachments.name_of(name).is_some()) {
            return Err(CommandError::AddonShared {
                addon: name.clone(),
                with: other.name.clone(),
            });
        }
        facts.push(Fact::AddonDestroying {
            app: app.clone(),
            addon: name.clone(),
        });
    }
    Ok(facts)
}

/// Rejects changes of config vars that belong to an add-on, or to an add-on that is being created.
pub(super) fn expect_vars_not_owned(
    desired: &DesiredState,
    app: &App,
    changes: &BTreeMap<String, Option<String>>,
) -> Result<(), CommandError> {
    let now = app.newest_config();
    for (var, value) in changes {
        let addon = app.attachments.owner_of(var).cloned();
        let addon = addon.or_else(|| find_reserving_addon(desired, app, var));
        if let Some(addon) = addon
            && now.get(var) != value.as_ref()
        {
            let var = var.clone();
            return Err(CommandError::ConfigOwned { var, addon });
        }
    }
    Ok(())
}

fn find_addon<'a>(desired: &'a DesiredState, addon: &AddonName) -> Result<&'a Addon, FactError> {
    let found = desired.addons.get(addon);
    found.ok_or_else(|| FactError::NoSuchAddon(addon.clone()))
}

/// The app's add-ons that are being created.
fn addons_being_made<'a>(
    desired: &'a DesiredState,
    app: &'a App,
) -> impl Iterator<Item = &'a NewAddon> {
    let all = desired.addons.values();
    let creating = all.filter(|addon| addon.state == AddonState::Creating);
    creating
        .map(|addon| addon.request.as_ref())
        .filter(|asked| asked.owner == app.name)
}

/// The add-on, still being created, that a config var will belong to.
fn find_reserving_addon(desired: &DesiredState, app: &App, var: &str) -> Option<AddonName> {
    let will_have = |asked: &&NewAddon| {
        let mut endings = asked.service.var_endings().iter();
        endings.any(|ending| var == format!("{}_{ending}", asked.attach_as))
    };
    let mut creating = addons_being_made(desired, app);
    creating.find(will_have).map(|asked| asked.name.clone())
}

fn request_addon(
    desired: &DesiredState,
    addon: AddonSpec,
    stamp: ChangeStamp<'_>,
) -> Result<Vec<Fact>, CommandError> {
    let app = desired.app(&addon.owner)?;
    expect_room_for_addon(desired, app)?;
    if desired.addons.len() >= ADDONS_MAX {
        return Err(CommandError::TooManyAddons(ADDONS_MAX));
    }
    expect_name_free(desired, app, &addon.attach_as, addon.service)?;
    let addon = Arc::new(NewAddon {
        name: addon.name,
        service: addon.service,
        owner: addon.owner,
        attach_as: addon.attach_as,
        password: addon.password,
        created_ms: stamp.at_ms,
        created_by: stamp.actor.name().to_owned(),
    });
    Ok(vec![Fact::AddonRequested { addon }])
}

fn expect_room_for_addon(desired: &DesiredState, app: &App) -> Result<(), CommandError> {
    let has = app.attachments.iter().count() + addons_being_made(desired, app).count();
    if has >= ADDONS_PER_APP_MAX {
        return Err(CommandError::TooManyAddons(ADDONS_PER_APP_MAX));
    }
    Ok(())
}

/// Checks that the attachment name and the config vars derived from it are free.
fn expect_name_free(
    desired: &DesiredState,
    app: &App,
    name: &AttachmentName,
    service: AddonService,
) -> Result<(), CommandError> {
    let other = app.attachments.get(name).map(|other| other.addon.clone());
    let coming = addons_being_made(desired, app).find(|asked| asked.attach_as == *name);
    if let Some(addon) = other.or_else(|| coming.map(|asked| asked.name.clone())) {
        let (app, name) = (app.name.clone(), name.clone());
        return Err(CommandError::AttachmentTaken { app, name, addon });
    }
    for ending in service.var_endings() {
        let var = format!("{name}_{ending}");
        let owner = app.attachments.owner_of(&var).cloned();
        if let Some(addon) = owner.or_else(|| find_reserving_addon(desired, app, &var)) {
            return Err(CommandError::ConfigOwned { var, addon });
        }
        if app.newest_config().contains_key(&var) {
            let app = app.name.clone();
            return Err(CommandError::ConfigTaken { app, var });
        }
    }
    Ok(())
}

impl AppContext<'_> {
    /// The facts that attach an add-on: its config vars and addresses go into a new release, or are kept for the
    /// first release.
    fn attach_addon(
        &self,
        asked: &NewAddon,
        made: &AddonDetails,
        name: &AttachmentName,
    ) -> Result<Vec<Fact>, CommandError> {
        let vars = made.name_vars(name);
        let attached = Fact::AddonAttached {
            app: self.app.name.clone(),
            addon: asked.name.clone(),
            name: name.clone(),
            vars: vars.clone(),
            reach: Arc::clone(&made.reach),
        };
        let mut config = BTreeMap::clone(self.app.newest_config());
        config.extend(
            vars.0
                .iter()
                .map(|(var, value)| (var.clone(), value.clone())),
        );
        let mut reach = BTreeSet::clone(&self.app.attachments.reach());
        reach.extend(made.reach.iter().cloned());
        let description = format!("Attach {} as {name}", asked.service);
        self.change_attachments(attached, config, reach, description)
    }

    /// The facts that detach an add-on: a release without its config vars and addresses.
    fn detach_addon(&self, addon: &AddonName, verb: &str) -> Result<Vec<Fact>, CommandError> {
        let name = self.app.attachments.name_of(addon);
        let name = name.ok_or_else(|| FactError::NotAttached {
            app: self.app.name.clone(),
            addon: addon.clone(),
        })?;
        let mut config = BTreeMap::clone(self.app.newest_config());
        for var in self
            .app
            .attachments
            .get(name)
            .into_iter()
            .flat_map(|a| a.vars.0.keys())
        {
            config.remove(var);
        }
        let description = format!("{verb} {name} ({addon})");
        let detached = Fact::AddonDetached {
            app: self.app.name.clone(),
            addon: addon.clone(),
        };
        let reach = self.app.attachments.reach_without(addon);
        self.change_attachments(detached, config, reach, description)
    }

    /// A change of attachments and the release that follows from it. Before the first release, the config vars are
    /// kept instead.
    fn change_attachments(
        &self,
        change: Fact,
        config: BTreeMap<String, String>,
        reach: BTreeSet<Endpoint>,
        description: String,
    ) -> Result<Vec<Fact>, CommandError> {
        let config = Arc::new(check_config_vars(config)?);
        let Some(newest) = self.app.newest_release() else {
            let app = self.app.name.clone();
            let config = ConfigVars(config);
            return Ok(vec![change, Fact::ConfigKept { app, config }]);
        };
        let release = Release {
            config,
            reach: Arc::new(reach),
            ..self.repeat_release(newest, description, &self.app.sizes)
        };
        Ok(vec![change, self.release_fact(release)])
    }
}

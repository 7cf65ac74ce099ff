//! Commands about add-ons, and the facts that they become.
//!
//! Owns when an add-on may be made, shared and destroyed, and which releases that makes. Must not know how a
//! service is made: what comes of that is told by whoever does it.

use super::app_facts::AppContext;
use super::config_vars::checked;
use super::error::CommandError;
use super::kinds::AddonCommand;
use super::limits::{ADDONS_MAX, ADDONS_PER_APP_MAX};
use crate::actor::Actor;
use grid::desired::{
    Addon, AddonDetails, AddonService, AddonState, App, ConfigVars, DesiredState, Fact, FactError,
    NewAddon, Release,
};
use grid::name::{AddonName, AppName, AttachmentName, Endpoint};
use grid::observed::ObservedState;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an app calls an add-on of this service unless it says otherwise.
pub fn default_name(service: AddonService) -> AttachmentName {
    let name = service.attached_as().parse();
    name.expect("a service's default name is one")
}

/// The facts that a command becomes.
pub(super) fn facts(
    desired: &DesiredState,
    observed: &ObservedState,
    command: AddonCommand,
    actor: &Actor,
) -> Result<Vec<Fact>, CommandError> {
    let about = |app: &AppName| {
        let before = observed.next_run;
        desired
            .app(app)
            .map(|app| AppContext { app, before, actor })
    };
    match command {
        AddonCommand::Create(addon) => created(desired, addon),
        AddonCommand::Made { addon, made } => {
            let asked = &addon_of(desired, &addon)?.request;
            let mut facts = vec![Fact::AddonMade {
                app: asked.owner.clone(),
                addon: addon.clone(),
                made: made.clone(),
            }];
            facts.extend(about(&asked.owner)?.attached(asked, &made, &asked.attach_as)?);
            Ok(facts)
        }
        AddonCommand::Attach { app, addon, name } => {
            let Addon {
                request: asked,
                state,
            } = addon_of(desired, &addon)?;
            let AddonState::Ready(made) = state else {
                return Err(FactError::NoSuchAddon(addon).into());
            };
            let name = name.unwrap_or_else(|| default_name(asked.service));
            let about = about(&app)?;
            if let Some(known) = about.app.attachments.name_of(&addon) {
                let (name, app) = (known.clone(), app.clone());
                return Err(CommandError::AttachedAlready { app, addon, name });
            }
            expect_room(desired, about.app)?;
            expect_free(desired, about.app, &name, asked.service)?;
            about.attached(asked, made, &name)
        }
        AddonCommand::Detach { app, addon } => {
            let owner = &addon_of(desired, &addon)?.request.owner;
            if *owner == app {
                return Err(CommandError::OwnAddon { app, addon });
            }
            about(&app)?.detached(&addon, "Detach")
        }
        AddonCommand::Destroy { addon } => {
            let Addon {
                request: asked,
                state,
            } = addon_of(desired, &addon)?;
            if matches!(state, AddonState::Destroying(_)) {
                return Ok(Vec::new());
            }
            let having = desired.apps.values();
            let having = having.filter(|app| app.attachments.name_of(&addon).is_some());
            let mut facts = Vec::new();
            for app in having {
                facts.extend(about(&app.name)?.detached(&addon, "Destroy")?);
            }
            facts.push(Fact::AddonDestroying {
                app: asked.owner.clone(),
                addon,
            });
            Ok(facts)
        }
        AddonCommand::Gone { addon } => Ok(vec![Fact::AddonGone {
            app: addon_of(desired, &addon)?.request.owner.clone(),
            addon,
        }]),
    }
}

/// An app goes with its add-ons, unless another app has one of them too.
pub(super) fn with_app(desired: &DesiredState, app: &AppName) -> Result<Vec<Fact>, CommandError> {
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

/// Refuses changes of config vars that belong to add-ons, or will in a moment.
pub(super) fn expect_not_owned(
    desired: &DesiredState,
    app: &App,
    changes: &BTreeMap<String, Option<String>>,
) -> Result<(), CommandError> {
    let now = app.newest_config();
    for (var, value) in changes {
        let addon = app.attachments.owner_of(var).cloned();
        let addon = addon.or_else(|| reserved(desired, app, var));
        if let Some(addon) = addon
            && now.get(var) != value.as_ref()
        {
            let var = var.clone();
            return Err(CommandError::ConfigOwned { var, addon });
        }
    }
    Ok(())
}

fn addon_of<'a>(desired: &'a DesiredState, addon: &AddonName) -> Result<&'a Addon, FactError> {
    let found = desired.addons.get(addon);
    found.ok_or_else(|| FactError::NoSuchAddon(addon.clone()))
}

/// Add-ons of an app that are being made.
fn creating<'a>(desired: &'a DesiredState, app: &'a App) -> impl Iterator<Item = &'a NewAddon> {
    let all = desired.addons.values();
    let creating = all.filter(|addon| addon.state == AddonState::Creating);
    creating
        .map(|addon| addon.request.as_ref())
        .filter(|asked| asked.owner == app.name)
}

/// The add-on, still being made, that a config var will belong to.
fn reserved(desired: &DesiredState, app: &App, var: &str) -> Option<AddonName> {
    let will_have = |asked: &&NewAddon| {
        let mut endings = asked.service.var_endings().iter();
        endings.any(|ending| var == format!("{}_{ending}", asked.attach_as))
    };
    let mut creating = creating(desired, app);
    creating.find(will_have).map(|asked| asked.name.clone())
}

fn created(desired: &DesiredState, addon: NewAddon) -> Result<Vec<Fact>, CommandError> {
    let app = desired.app(&addon.owner)?;
    expect_room(desired, app)?;
    if desired.addons.len() >= ADDONS_MAX {
        return Err(CommandError::TooManyAddons(ADDONS_MAX));
    }
    expect_free(desired, app, &addon.attach_as, addon.service)?;
    let addon = Arc::new(addon);
    Ok(vec![Fact::AddonRequested { addon }])
}

fn expect_room(desired: &DesiredState, app: &App) -> Result<(), CommandError> {
    let has = app.attachments.iter().count() + creating(desired, app).count();
    if has >= ADDONS_PER_APP_MAX {
        return Err(CommandError::TooManyAddons(ADDONS_PER_APP_MAX));
    }
    Ok(())
}

/// The name, and the config vars that come with it, are not in use.
fn expect_free(
    desired: &DesiredState,
    app: &App,
    name: &AttachmentName,
    service: AddonService,
) -> Result<(), CommandError> {
    let other = app.attachments.get(name).map(|other| other.addon.clone());
    let coming = creating(desired, app).find(|asked| asked.attach_as == *name);
    if let Some(addon) = other.or_else(|| coming.map(|asked| asked.name.clone())) {
        let (app, name) = (app.name.clone(), name.clone());
        return Err(CommandError::AttachmentTaken { app, name, addon });
    }
    for ending in service.var_endings() {
        let var = format!("{name}_{ending}");
        let owner = app.attachments.owner_of(&var).cloned();
        if let Some(addon) = owner.or_else(|| reserved(desired, app, &var)) {
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
    /// The add-on's config vars, and what it may reach, as a release, or for the first one.
    fn attached(
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
        self.with_attachments(attached, config, reach, description)
    }

    /// The same without the add-on.
    fn detached(&self, addon: &AddonName, verb: &str) -> Result<Vec<Fact>, CommandError> {
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
        self.with_attachments(detached, config, reach, description)
    }

    /// A change of attachments, and the release that has it; before there is a first one, the config for that.
    fn with_attachments(
        &self,
        change: Fact,
        config: BTreeMap<String, String>,
        reach: BTreeSet<Endpoint>,
        description: String,
    ) -> Result<Vec<Fact>, CommandError> {
        let config = Arc::new(checked(config)?);
        let Some(newest) = self.app.newest_release() else {
            let app = self.app.name.clone();
            let config = ConfigVars(config);
            return Ok(vec![change, Fact::ConfigKept { app, config }]);
        };
        let release = Release {
            config,
            reach: Arc::new(reach),
            ..self.again(newest, description, &self.app.sizes)
        };
        Ok(vec![change, self.release(release)])
    }
}

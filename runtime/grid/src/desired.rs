//! Intent: what users asked for, as a fold of [`Fact`]s.
//!
//! Owns apps, releases, formations, domains, maintenance and add-ons. Must not know what is observed.

mod addon;
mod app;
mod fact;
mod release;
mod settings;

pub use addon::{
    Addon, AddonDetails, AddonService, AddonServiceError, AddonState, Attachment, Attachments,
    NewAddon, SecretText,
};
pub use app::{App, RELEASES_MAX};
pub use fact::{Fact, RestartTarget};
pub use release::{ConfigVars, Limits, ProcessKind, ProcessSpec, Release};
pub use settings::{AppSettings, IdleSetting};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::name::{
    AddonName, AppName, DynoKey, Generation, LeaderEpoch, NodeId, ProcessType, Run, Version,
};

/// The number of dynos of each process type that users asked for.
pub type Formation = BTreeMap<ProcessType, u32>;

/// Runs and generations that one reconciler can hand out: the lower half of a 64-bit number.
/// At a million starts a second that is more than an hour, and a restart gives a new range.
const NUMBERS_PER_RECONCILER: u64 = 1 << 32;
/// Names of destroyed apps that are remembered, so that a node that comes back late is told to end its dynos of them.
const DESTROYED_MAX: usize = 1_000;

/// A fact that does not follow from the facts before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// There is no such app.
    #[error("there is no app {0}")]
    NoSuchApp(AppName),
    /// The app exists already.
    #[error("the app {0} exists already")]
    AppExists(AppName),
    /// The release's number is not the next one.
    #[error("the next release of {app} is {next}, not {given}")]
    VersionGap {
        /// The app.
        app: AppName,
        /// The number that would follow.
        next: Version,
        /// The number that was given.
        given: Version,
    },
    /// There is no such release.
    #[error("{app} has no release {version}")]
    NoSuchRelease {
        /// The app.
        app: AppName,
        /// The number that was given.
        version: Version,
    },
    /// The host name belongs to an app already.
    #[error("the host name {hostname} belongs to {owner}")]
    HostnameTaken {
        /// The host name.
        hostname: crate::name::Hostname,
        /// The app that has the host name.
        owner: AppName,
    },
    /// The app does not have this host name.
    #[error("{app} does not answer at {hostname}")]
    NoSuchDomain {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: crate::name::Hostname,
    },
    /// The add-on exists already.
    #[error("there is an add-on {0} already")]
    AddonExists(AddonName),
    /// There is no such add-on, or it is not in the right state.
    #[error("there is no add-on {0}, or it is not there yet, or going")]
    NoSuchAddon(AddonName),
    /// There is no such node.
    #[error("there is no node {0}")]
    NoSuchNode(NodeId),
    /// The app does not have the add-on.
    #[error("{app} does not have the add-on {addon}")]
    NotAttached {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
}

/// Everything that users asked for, and what was decided since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredState {
    /// The apps by name. They are shared, since every plan is made on a copy.
    pub apps: BTreeMap<AppName, Arc<App>>,
    /// The apps that were destroyed last, each with the first run that is not of the destroyed app.
    pub destroyed: BTreeMap<AppName, Run>,
    /// Add-ons by name, of all apps.
    pub addons: Arc<BTreeMap<AddonName, Addon>>,
    /// Every node that was ever heard and has not left.
    pub nodes: BTreeSet<NodeId>,
    /// The nodes that have left. There are as many as operators removed.
    pub left_nodes: BTreeSet<NodeId>,
    /// How many reconcilers have started.
    pub reconcilers: u64,
    /// The number of facts so far, and so the place of the last one among the facts of the ledger.
    pub facts: u64,
}

impl DesiredState {
    /// The state after these facts.
    ///
    /// # Errors
    /// The first fact that does not follow from the ones before it.
    pub fn from_facts<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Result<Self, FactError> {
        let mut desired = DesiredState::default();
        for fact in facts {
            desired.apply_fact(fact)?;
        }
        Ok(desired)
    }

    /// Applies one more fact.
    ///
    /// # Errors
    /// The fact does not follow from the ones before it, and nothing changes.
    pub fn apply_fact(&mut self, fact: &Fact) -> Result<(), FactError> {
        match fact {
            Fact::ReconcilerStarted => self.reconcilers += 1,
            Fact::NodeJoined { node } => {
                self.left_nodes.remove(node);
                self.nodes.insert(node.clone());
            }
            Fact::NodeLeft { node } => self.remove_node(node)?,
            Fact::AppCreated { app, hostnames } => self.create_app(app, hostnames)?,
            Fact::DomainAdded { app, hostname } => {
                self.expect_free_hostnames(app, std::slice::from_ref(hostname))?;
                self.app_mut(app)?.hostnames.insert(hostname.clone());
            }
            Fact::ReleaseCreated { app, release } => self.app_mut(app)?.add_release(release)?,
            Fact::ReleaseServing { app, version } => self.app_mut(app)?.mark_serving(*version)?,
            Fact::ReleaseFailed {
                app,
                version,
                reason,
            } => {
                self.app_mut(app)?.mark_failed(*version, reason)?;
            }
            Fact::ReleaseProcessEnded {
                app,
                version,
                failure,
            } => {
                let app = self.app_mut(app)?;
                app.note_release_process_end(*version, failure.as_deref())?;
            }
            Fact::Scaled {
                app,
                process,
                count,
                before,
            } => {
                self.app_mut(app)?.scale_process(process, *count, *before);
            }
            Fact::RestartAsked {
                app,
                target,
                before,
            } => {
                self.app_mut(app)?.restart_dynos(target, *before);
            }
            Fact::MaintenanceSet { app, on } => self.app_mut(app)?.maintenance = *on,
            Fact::DomainRemoved { app, hostname } => self.app_mut(app)?.remove_domain(hostname)?,
            Fact::AppDestroyed { app, before } => self.destroy_app(app, *before)?,
            Fact::AppSet { app, settings } => self.app_mut(app)?.settings = settings.clone(),
            Fact::ConfigKept { app, config } => self.app_mut(app)?.first_config = config.clone(),
            Fact::Resized {
                app,
                process,
                memory_bytes,
            } => self.app_mut(app)?.resize_process(process, *memory_bytes),
            Fact::DynoStopped { app, dyno, before } => self.app_mut(app)?.stop_dyno(dyno, *before),
            Fact::ReleasesPruned { app, before } => self.app_mut(app)?.prune_releases(*before),
            Fact::AddonRequested { .. }
            | Fact::AddonMade { .. }
            | Fact::AddonAttached { .. }
            | Fact::AddonDetached { .. }
            | Fact::AddonDestroying { .. }
            | Fact::AddonGone { .. } => self.apply_addon(fact)?,
        }
        self.facts += 1;
        Ok(())
    }

    fn remove_node(&mut self, node: &NodeId) -> Result<(), FactError> {
        if !self.nodes.remove(node) {
            return Err(FactError::NoSuchNode(node.clone()));
        }
        self.left_nodes.insert(node.clone());
        Ok(())
    }

    /// Applies a fact about an add-on.
    fn apply_addon(&mut self, fact: &Fact) -> Result<(), FactError> {
        match fact {
            Fact::AddonRequested { addon } => {
                self.app(&addon.owner)?;
                if self.addons.contains_key(&addon.name) {
                    return Err(FactError::AddonExists(addon.name.clone()));
                }
                let created = Addon {
                    request: Arc::clone(addon),
                    state: AddonState::Creating,
                };
                Arc::make_mut(&mut self.addons).insert(addon.name.clone(), created);
            }
            Fact::AddonMade { addon, made, .. } => {
                let addon = self.addon_mut(addon, |state| *state == AddonState::Creating)?;
                addon.state = AddonState::Ready(made.clone());
            }
            Fact::AddonAttached {
                app,
                addon,
                name,
                vars,
                reach,
            } => {
                self.addon_mut(addon, |state| matches!(state, AddonState::Ready(_)))?;
                let attachment = Attachment {
                    addon: addon.clone(),
                    vars: vars.clone(),
                    reach: Arc::clone(reach),
                    since: Version::FIRST,
                };
                self.app_mut(app)?.attach_addon(name, attachment);
            }
            Fact::AddonDetached { app, addon } => self.app_mut(app)?.detach_addon(addon)?,
            Fact::AddonDestroying { addon, .. } => {
                let addon = self.addon_mut(addon, |_| true)?;
                if let AddonState::Ready(made) = &addon.state {
                    addon.state = AddonState::Destroying(Some(made.clone()));
                } else if addon.state == AddonState::Creating {
                    addon.state = AddonState::Destroying(None);
                }
            }
            Fact::AddonGone { addon, .. } => {
                self.addon_mut(addon, |state| !matches!(state, AddonState::Ready(_)))?;
                Arc::make_mut(&mut self.addons).remove(addon);
            }
            _ => {}
        }
        Ok(())
    }

    /// An add-on whose state `fits`.
    fn addon_mut(
        &mut self,
        name: &AddonName,
        fits: impl Fn(&AddonState) -> bool,
    ) -> Result<&mut Addon, FactError> {
        let fits = self
            .addons
            .get(name)
            .is_some_and(|addon| fits(&addon.state));
        let addon = Arc::make_mut(&mut self.addons)
            .get_mut(name)
            .filter(|_| fits);
        addon.ok_or_else(|| FactError::NoSuchAddon(name.clone()))
    }

    /// The app of this name.
    pub fn app(&self, name: &AppName) -> Result<&App, FactError> {
        let app = self.apps.get(name).map(Arc::as_ref);
        app.ok_or_else(|| FactError::NoSuchApp(name.clone()))
    }

    /// The desired state of these apps only.
    pub(crate) fn select_apps(&self, apps: &BTreeSet<AppName>) -> DesiredState {
        let apps = apps.iter().filter_map(|app| self.apps.get_key_value(app));
        DesiredState {
            apps: apps
                .map(|(name, app)| (name.clone(), Arc::clone(app)))
                .collect(),
            destroyed: self.destroyed.clone(),
            addons: Arc::clone(&self.addons),
            nodes: self.nodes.clone(),
            left_nodes: self.left_nodes.clone(),
            reconcilers: self.reconcilers,
            facts: self.facts,
        }
    }

    /// Whether the ledger knows a dyno's app: it exists, or it was destroyed after the dyno started.
    pub fn knows_app_of(&self, dyno: &DynoKey) -> bool {
        let destroyed = self.destroyed.get(&dyno.app);
        self.apps.contains_key(&dyno.app) || destroyed.is_some_and(|before| dyno.run < *before)
    }

    fn app_mut(&mut self, name: &AppName) -> Result<&mut App, FactError> {
        let app = self.apps.get_mut(name).map(Arc::make_mut);
        app.ok_or_else(|| FactError::NoSuchApp(name.clone()))
    }

    fn create_app(
        &mut self,
        app: &AppName,
        hostnames: &[crate::name::Hostname],
    ) -> Result<(), FactError> {
        if self.apps.contains_key(app) {
            return Err(FactError::AppExists(app.clone()));
        }
        self.expect_free_hostnames(app, hostnames)?;
        let first_run = self.destroyed.remove(app).unwrap_or_default();
        let created = App::new(app.clone(), hostnames, first_run, self.facts + 1);
        self.apps.insert(app.clone(), Arc::new(created));
        Ok(())
    }

    fn destroy_app(&mut self, app: &AppName, before: Run) -> Result<(), FactError> {
        if self.apps.remove(app).is_none() {
            return Err(FactError::NoSuchApp(app.clone()));
        }
        self.destroyed.insert(app.clone(), before);
        if self.destroyed.len() > DESTROYED_MAX {
            let oldest = self.destroyed.iter().min_by_key(|(_, before)| **before);
            if let Some(oldest) = oldest.map(|(app, _)| app.clone()) {
                self.destroyed.remove(&oldest);
            }
        }
        Ok(())
    }

    fn expect_free_hostnames(
        &self,
        asker: &AppName,
        names: &[crate::name::Hostname],
    ) -> Result<(), FactError> {
        let taken = self
            .apps
            .values()
            .filter(|app| app.name != *asker)
            .find_map(|app| {
                let hostname = names.iter().find(|name| app.hostnames.contains(*name))?;
                Some(FactError::HostnameTaken {
                    hostname: hostname.clone(),
                    owner: app.name.clone(),
                })
            });
        taken.map_or(Ok(()), Err)
    }

    /// The epoch of the reconciler that started last.
    pub fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.reconcilers)
    }

    /// The first run that the present reconciler may hand out. Earlier reconcilers used lower runs.
    pub fn first_run(&self) -> Run {
        Run(self.first_number())
    }

    /// The first generation that the present reconciler may publish.
    pub fn first_generation(&self) -> Generation {
        Generation(self.first_number())
    }

    fn first_number(&self) -> u64 {
        self.reconcilers
            .saturating_sub(1)
            .saturating_mul(NUMBERS_PER_RECONCILER)
            .saturating_add(1)
    }
}

#[cfg(test)]
mod tests;

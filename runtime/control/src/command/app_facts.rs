//! Translates commands for one app to facts.
//!
//! Owns releases, formation and sizes. Must not know the rules of add-ons, nor how a fact is written or carried
//! out.

use super::config_vars::check_config_vars;
use super::error::CommandError;
use super::kinds::{ConfigChanges, DeployConfig, ReleaseSpec};
use super::limits::{DYNOS_PER_TYPE_MAX, MEMORY_BYTES};
use crate::actor::ChangeStamp;
use grid::desired::{App, ConfigVars, Fact, FactError, ProcessSpec, Release};
use grid::name::{DynoId, ProcessType, Run, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of one MiB.
const MIB: u64 = 1024 * 1024;

/// Memory in bytes, by process type.
type MemorySizes = BTreeMap<ProcessType, u64>;

type ProcessSpecs = BTreeMap<ProcessType, ProcessSpec>;

/// The app and the circumstances of a command.
pub(super) struct AppContext<'a> {
    pub(super) app: &'a App,
    pub(super) before: Run,
    pub(super) stamp: ChangeStamp<'a>,
}

impl AppContext<'_> {
    pub(super) fn deploy(&self, deploy: ReleaseSpec) -> Result<Vec<Fact>, CommandError> {
        if deploy.processes.is_empty() {
            return Err(CommandError::NothingToRun);
        }
        let own = self.app.newest_config();
        let config = match deploy.config {
            DeployConfig::Own(_) if self.app.newest_release().is_some() => Arc::clone(own),
            DeployConfig::Own(mut first) => {
                first.extend(BTreeMap::clone(own));
                self.add_addon_vars(first)?
            }
            DeployConfig::These(config) => self.add_addon_vars(config)?,
        };
        let mut facts = Vec::new();
        for (process, count) in deploy.formation {
            // A type that was never scaled has no dynos, except for web, which has one: only other values need a
            // fact.
            let says = process.is_web() || count > 0;
            let is_new = !self.app.formation.contains_key(&process) && !process.runs_once();
            if says && is_new && deploy.processes.contains_key(&process) {
                facts.push(self.scale_fact(process, count)?);
            }
        }
        facts.push(self.release_fact(Release {
            version: self.app.next_version(),
            slug: deploy.slug,
            description: deploy.description,
            config,
            processes: with_sizes(deploy.processes, &self.app.sizes),
            created_ms: self.stamp.at_ms,
            created_by: self.stamp.actor.name().to_owned(),
            reach: self.app.attachments.reach(),
        }));
        Ok(facts)
    }

    fn add_addon_vars(
        &self,
        mut config: BTreeMap<String, String>,
    ) -> Result<Arc<BTreeMap<String, String>>, CommandError> {
        let attached = self.app.attachments.vars();
        config.extend(attached.map(|(name, value)| (name.clone(), value.clone())));
        Ok(Arc::new(check_config_vars(config)?))
    }

    pub(super) fn roll_back(&self, to: Version) -> Result<Vec<Fact>, CommandError> {
        let old = self.app.releases.get(&to);
        let old = old.ok_or_else(|| FactError::NoSuchRelease {
            app: self.app.name.clone(),
            version: to,
        })?;
        let description = format!("Rollback to {to}");
        let release = Release {
            config: Arc::new(check_config_vars(
                self.app.attachments.carried_vars(&old.config, to),
            )?),
            ..self.repeat_release(old, description, &self.app.sizes)
        };
        Ok(vec![self.release_fact(release)])
    }

    pub(super) fn change_config(&self, changes: ConfigChanges) -> Result<Vec<Fact>, CommandError> {
        let mut config = BTreeMap::clone(self.app.newest_config());
        let names: Vec<&str> = changes.0.keys().map(String::as_str).collect();
        let description = format!("Change config vars: {}", names.join(", "));
        for (name, value) in changes.0 {
            match value {
                Some(value) => config.insert(name, value),
                None => config.remove(&name),
            };
        }
        let config = Arc::new(check_config_vars(config)?);
        let Some(newest) = self.app.newest_release() else {
            return Ok(vec![Fact::ConfigKept {
                app: self.app.name.clone(),
                config: ConfigVars(config),
            }]);
        };
        let release = Release {
            config,
            ..self.repeat_release(newest, description, &self.app.sizes)
        };
        Ok(vec![self.release_fact(release)])
    }

    /// Counts take effect at once. A size is part of a release, so a changed size creates a new release.
    pub(super) fn scale_and_resize(
        &self,
        counts: BTreeMap<ProcessType, u32>,
        sizes: &MemorySizes,
    ) -> Result<Vec<Fact>, CommandError> {
        let newest = self.newest_release()?;
        let mut facts = Vec::new();
        for (process, count) in counts {
            self.expect_type(&process)?;
            facts.push(self.scale_fact(process, count)?);
        }
        let mut changed = Vec::new();
        for (process, &bytes) in sizes {
            self.expect_type(process)?;
            if !MEMORY_BYTES.contains(&bytes) {
                let process = process.clone();
                return Err(CommandError::Memory { process, bytes });
            }
            if self.app.sizes.get(process) != Some(&bytes) {
                facts.push(Fact::Resized {
                    app: self.app.name.clone(),
                    process: process.clone(),
                    memory_bytes: Some(bytes),
                });
            }
            let now = newest.processes.get(process);
            if now.is_some_and(|spec| spec.limits.memory_bytes != bytes) {
                changed.push(format!("{process} to {}MiB", bytes / MIB));
            }
        }
        if !changed.is_empty() {
            let description = format!("Resize {}", changed.join(", "));
            facts.push(self.release_fact(self.repeat_release(newest, description, sizes)));
        }
        Ok(facts)
    }

    pub(super) fn stop_dyno(&self, dyno: DynoId) -> Result<Vec<Fact>, CommandError> {
        self.expect_place(&dyno)?;
        if !self.app.is_place_open(&dyno) {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::DynoStopped {
            app: self.app.name.clone(),
            dyno,
            before: self.before,
        }])
    }

    /// Builds the next release from the content of `old`, with `sizes` applied. The addresses that it may connect
    /// to are those of the add-ons attached now.
    pub(super) fn repeat_release(
        &self,
        old: &Release,
        description: String,
        sizes: &MemorySizes,
    ) -> Release {
        Release {
            version: self.app.next_version(),
            description,
            processes: with_sizes(old.processes.clone(), sizes),
            created_ms: self.stamp.at_ms,
            created_by: self.stamp.actor.name().to_owned(),
            reach: self.app.attachments.reach(),
            ..old.clone()
        }
    }

    pub(super) fn release_fact(&self, release: Release) -> Fact {
        Fact::ReleaseCreated {
            app: self.app.name.clone(),
            release: Arc::new(release),
        }
    }

    fn scale_fact(&self, process: ProcessType, count: u32) -> Result<Fact, CommandError> {
        if count > DYNOS_PER_TYPE_MAX {
            return Err(CommandError::TooManyDynos { process, count });
        }
        Ok(Fact::Scaled {
            app: self.app.name.clone(),
            process,
            count,
            before: self.before,
        })
    }

    pub(super) fn newest_release(&self) -> Result<&Release, CommandError> {
        let newest = self.app.newest_release().map(Arc::as_ref);
        newest.ok_or_else(|| CommandError::NoRelease(self.app.name.clone()))
    }

    fn expect_type(&self, process: &ProcessType) -> Result<(), CommandError> {
        let newest = self.newest_release()?;
        if process.runs_once() {
            return Err(CommandError::RunsOnce(process.clone()));
        }
        if newest.processes.contains_key(process) {
            return Ok(());
        }
        let known = newest.processes.keys().filter(|known| !known.runs_once());
        let known: Vec<&str> = known.map(ProcessType::as_str).collect();
        Err(CommandError::NoSuchProcess {
            app: self.app.name.clone(),
            process: process.clone(),
            known: known.join(", "),
        })
    }

    /// Checks that the formation contains the dyno, whether it runs or is stopped.
    pub(super) fn expect_place(&self, dyno: &DynoId) -> Result<(), CommandError> {
        let has_type = self.newest_release()?.processes.contains_key(&dyno.process);
        if has_type && dyno.index <= self.app.requested_count(&dyno.process) {
            return Ok(());
        }
        Err(CommandError::NoSuchDyno {
            app: self.app.name.clone(),
            dyno: dyno.clone(),
        })
    }
}

/// Applies the sizes to the process types that they name.
fn with_sizes(mut processes: ProcessSpecs, sizes: &MemorySizes) -> ProcessSpecs {
    for (process, spec) in &mut processes {
        if let Some(bytes) = sizes.get(process) {
            Arc::make_mut(&mut spec.limits).memory_bytes = *bytes;
        }
    }
    processes
}

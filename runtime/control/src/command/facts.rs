//! The facts that a command becomes.
//!
//! Owns which commands make sense, and when. Must not know how a fact is written or carried out.

use super::{
    Actor, CONFIG_BYTES_MAX, Command, ConfigChanges, DYNOS_PER_TYPE_MAX, Deploy, DeployConfig,
    IDLE_AFTER, MEMORY_BYTES, REQUEST_TIMEOUT, Rejected, addons,
};
use grid::desired::{
    App, AppSettings, ConfigVars, DesiredState, Fact, FactError, IdleSetting, ProcessSpec, Release,
    RestartTarget,
};
use grid::name::{AppName, DynoId, ProcessType, Run, Version};
use grid::observed::ObservedState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of one MiB.
const MIB: u64 = 1024 * 1024;

/// Memory in bytes by process type.
type Sizes = BTreeMap<ProcessType, u64>;
type Processes = BTreeMap<ProcessType, ProcessSpec>;

/// The facts that a command becomes, given intent and observation as they are. Without any, it is carried
/// out already.
pub(crate) fn facts(
    desired: &DesiredState,
    observed: &ObservedState,
    command: Command,
    actor: &Actor,
) -> Result<Vec<Fact>, Rejected> {
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
) -> Result<Vec<Fact>, Rejected> {
    let before = observed.next_run;
    let about = |app: &AppName| desired.app(app).map(|app| About { app, before, actor });
    let one = |fact| Ok(vec![fact]);
    match command {
        Command::CreateApp { app, hostnames } => {
            // Its dynos and releases would pass for those of the new one.
            if desired.app(&app).is_err() && observed.has_any_of(&app) {
                return Err(Rejected::StillEnding(app));
            }
            one(Fact::AppCreated { app, hostnames })
        }
        Command::DestroyApp { app } => {
            let mut facts = addons::with_app(desired, &app)?;
            facts.push(Fact::AppDestroyed { app, before });
            Ok(facts)
        }
        Command::Deploy { app, deploy } => about(&app)?.deployed(deploy),
        Command::Scale { app, counts, sizes } => about(&app)?.scaled(counts, &sizes),
        Command::Rollback { app, to } => about(&app)?.rolled_back(to),
        Command::Restart { app, target } => {
            if let RestartTarget::Dyno(dyno) = &target {
                if dyno.process.runs_once() {
                    return Err(Rejected::NotRestarted(dyno.clone()));
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
            addons::expect_not_owned(desired, about(&app)?.app, &changes.0)?;
            about(&app)?.reconfigured(changes)
        }
        Command::AddDomain { app, hostname } => one(Fact::DomainAdded { app, hostname }),
        Command::RemoveDomain { app, hostname } => one(Fact::DomainRemoved { app, hostname }),
        Command::SetSettings { app, settings } => {
            check_settings(&settings)?;
            one(Fact::AppSet { app, settings })
        }
        Command::Addon(command) => addons::facts(desired, observed, command, actor),
    }
}

/// What a command for an app is translated with.
pub(super) struct About<'a> {
    pub(super) app: &'a App,
    pub(super) before: Run,
    pub(super) actor: &'a Actor,
}

impl About<'_> {
    fn deployed(&self, deploy: Deploy) -> Result<Vec<Fact>, Rejected> {
        if deploy.processes.is_empty() {
            return Err(Rejected::NothingToRun);
        }
        let own = self.app.newest_config();
        let config = match deploy.config {
            DeployConfig::Own(_) if self.app.newest_release().is_some() => Arc::clone(own),
            DeployConfig::Own(mut first) => {
                first.extend(BTreeMap::clone(own));
                self.with_addons(first)?
            }
            DeployConfig::These(config) => self.with_addons(config)?,
        };
        let mut facts = Vec::new();
        for (process, count) in deploy.formation {
            // None is what types have that nobody has scaled, but for web.
            let says = process.is_web() || count > 0;
            let is_new = !self.app.formation.contains_key(&process) && !process.runs_once();
            if says && is_new && deploy.processes.contains_key(&process) {
                facts.push(self.scale(process, count)?);
            }
        }
        facts.push(self.release(Release {
            version: self.app.next_version(),
            slug: deploy.slug,
            description: deploy.description,
            config,
            processes: sized(deploy.processes, &self.app.sizes),
            created_ms: self.actor.at_ms,
            created_by: self.actor.by.clone(),
            reach: self.app.attachments.reach(),
        }));
        Ok(facts)
    }

    fn with_addons(
        &self,
        mut config: BTreeMap<String, String>,
    ) -> Result<Arc<BTreeMap<String, String>>, Rejected> {
        let attached = self.app.attachments.vars();
        config.extend(attached.map(|(name, value)| (name.clone(), value.clone())));
        Ok(Arc::new(checked(config)?))
    }

    fn rolled_back(&self, to: Version) -> Result<Vec<Fact>, Rejected> {
        let old = self.app.releases.get(&to);
        let old = old.ok_or_else(|| FactError::NoSuchRelease {
            app: self.app.name.clone(),
            version: to,
        })?;
        let description = format!("Rollback to {to}");
        let release = Release {
            config: Arc::new(checked(self.app.attachments.carried_vars(&old.config, to))?),
            ..self.again(old, description, &self.app.sizes)
        };
        Ok(vec![self.release(release)])
    }

    fn reconfigured(&self, changes: ConfigChanges) -> Result<Vec<Fact>, Rejected> {
        let mut config = BTreeMap::clone(self.app.newest_config());
        let names: Vec<&str> = changes.0.keys().map(String::as_str).collect();
        let description = format!("Change config vars: {}", names.join(", "));
        for (name, value) in changes.0 {
            match value {
                Some(value) => config.insert(name, value),
                None => config.remove(&name),
            };
        }
        let config = Arc::new(checked(config)?);
        let Some(newest) = self.app.newest_release() else {
            return Ok(vec![Fact::ConfigKept {
                app: self.app.name.clone(),
                config: ConfigVars(config),
            }]);
        };
        let release = Release {
            config,
            ..self.again(newest, description, &self.app.sizes)
        };
        Ok(vec![self.release(release)])
    }

    /// Counts take effect at once; a size is frozen in a release, so that another one takes a new release.
    fn scaled(
        &self,
        counts: BTreeMap<ProcessType, u32>,
        sizes: &Sizes,
    ) -> Result<Vec<Fact>, Rejected> {
        let newest = self.newest()?;
        let mut facts = Vec::new();
        for (process, count) in counts {
            self.expect_type(&process)?;
            facts.push(self.scale(process, count)?);
        }
        let mut changed = Vec::new();
        for (process, &bytes) in sizes {
            self.expect_type(process)?;
            if !MEMORY_BYTES.contains(&bytes) {
                let process = process.clone();
                return Err(Rejected::Memory { process, bytes });
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
            facts.push(self.release(self.again(newest, description, sizes)));
        }
        Ok(facts)
    }

    fn stopped(&self, dyno: DynoId) -> Result<Vec<Fact>, Rejected> {
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

    /// The next release, with what `old` has, in these sizes where they name a type. What it may reach is what
    /// is attached now.
    pub(super) fn again(&self, old: &Release, description: String, sizes: &Sizes) -> Release {
        Release {
            version: self.app.next_version(),
            description,
            processes: sized(old.processes.clone(), sizes),
            created_ms: self.actor.at_ms,
            created_by: self.actor.by.clone(),
            reach: self.app.attachments.reach(),
            ..old.clone()
        }
    }

    pub(super) fn release(&self, release: Release) -> Fact {
        Fact::ReleaseCreated {
            app: self.app.name.clone(),
            release: Arc::new(release),
        }
    }

    fn scale(&self, process: ProcessType, count: u32) -> Result<Fact, Rejected> {
        if count > DYNOS_PER_TYPE_MAX {
            return Err(Rejected::TooManyDynos { process, count });
        }
        Ok(Fact::Scaled {
            app: self.app.name.clone(),
            process,
            count,
            before: self.before,
        })
    }

    fn newest(&self) -> Result<&Release, Rejected> {
        let newest = self.app.newest_release().map(Arc::as_ref);
        newest.ok_or_else(|| Rejected::NoRelease(self.app.name.clone()))
    }

    fn expect_type(&self, process: &ProcessType) -> Result<(), Rejected> {
        let newest = self.newest()?;
        if process.runs_once() {
            return Err(Rejected::RunsOnce(process.clone()));
        }
        if newest.processes.contains_key(process) {
            return Ok(());
        }
        let known = newest.processes.keys().filter(|known| !known.runs_once());
        let known: Vec<&str> = known.map(ProcessType::as_str).collect();
        Err(Rejected::NoSuchProcess {
            app: self.app.name.clone(),
            process: process.clone(),
            known: known.join(", "),
        })
    }

    /// The place is part of the formation, whether it is filled or not.
    fn expect_place(&self, dyno: &DynoId) -> Result<(), Rejected> {
        let has_type = self.newest()?.processes.contains_key(&dyno.process);
        if has_type && dyno.index <= self.app.requested_count(&dyno.process) {
            return Ok(());
        }
        Err(Rejected::NoSuchDyno {
            app: self.app.name.clone(),
            dyno: dyno.clone(),
        })
    }
}

/// The processes, with these sizes where there is one.
fn sized(mut processes: Processes, sizes: &Sizes) -> Processes {
    for (process, spec) in &mut processes {
        if let Some(bytes) = sizes.get(process) {
            Arc::make_mut(&mut spec.limits).memory_bytes = *bytes;
        }
    }
    processes
}

fn check_settings(settings: &AppSettings) -> Result<(), Rejected> {
    let timeout = settings.request_timeout;
    if let Some(timeout) = timeout.filter(|timeout| !REQUEST_TIMEOUT.contains(timeout)) {
        return Err(Rejected::RequestTimeout(timeout));
    }
    match settings.idle_after {
        IdleSetting::After(time) if !IDLE_AFTER.contains(&time) => Err(Rejected::IdleAfter(time)),
        IdleSetting::Default | IdleSetting::Off | IdleSetting::After(_) => Ok(()),
    }
}

/// Config vars, if their names and their size are allowed.
pub(crate) fn checked(
    config: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Rejected> {
    if let Some(name) = config.keys().find(|name| !is_config_name(name)) {
        return Err(Rejected::ConfigName(name.chars().take(64).collect()));
    }
    let vars = config.iter();
    let bytes: usize = vars.map(|(name, value)| name.len() + value.len()).sum();
    if bytes > CONFIG_BYTES_MAX {
        Err(Rejected::ConfigSize(bytes))
    } else {
        Ok(config)
    }
}

fn is_config_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = |first: u8| first.is_ascii_alphabetic() || first == b'_';
    bytes.next().is_some_and(starts) && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

//! Commands, and the facts that they become.
//!
//! Owns what a command may ask for. Must not know how it is carried out, nor who may send it.

use grid::desired::{App, Desired, Fact, Misfit, ProcessSpec, Release, Restart};
use grid::name::{AppName, DynoId, Hostname, ProcessType, Run, SlugId, Version};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Dynos of one process type at most: a slip of the finger must not fill a grid.
pub(crate) const DYNOS_PER_TYPE_MAX: u32 = 1_000;
/// All names and values of an app's config vars together, in bytes.
pub(crate) const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// Something that a user asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make an app.
    CreateApp {
        /// Its name.
        app: AppName,
        /// Where it answers.
        hostnames: Vec<Hostname>,
    },
    /// Make a release of a new slug.
    Deploy {
        /// The app.
        app: AppName,
        /// What to deploy.
        deploy: Deploy,
    },
    /// Change how many dynos there are.
    Scale {
        /// The app.
        app: AppName,
        /// How many of each type; types that are not named stay as they are.
        counts: BTreeMap<ProcessType, u32>,
    },
    /// Make a release with the slug, config and processes of an earlier one.
    Rollback {
        /// The app.
        app: AppName,
        /// The earlier release.
        to: Version,
    },
    /// Replace dynos by fresh ones.
    Restart {
        /// The app.
        app: AppName,
        /// Which of its dynos.
        target: Restart,
    },
    /// Turn maintenance mode on or off.
    SetMaintenance {
        /// The app.
        app: AppName,
        /// Whether it is to be on.
        on: bool,
    },
    /// Make a release with changed config vars.
    SetConfig {
        /// The app.
        app: AppName,
        /// The changes.
        changes: ConfigChanges,
    },
    /// Answer at one more host name.
    AddDomain {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: Hostname,
    },
    /// Drain every dyno and end the reconciler; the reply comes when it is done.
    Shutdown {
        /// What dynos have to finish their work in.
        grace: Duration,
    },
}

/// Config vars to set, or to remove where there is no value.
#[derive(Clone, Default)]
pub struct ConfigChanges(pub BTreeMap<String, Option<String>>);

/// Withholds the values, which are secrets.
impl fmt::Debug for ConfigChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What makes a release.
#[derive(Clone)]
pub struct Deploy {
    /// The built app.
    pub slug: SlugId,
    /// Why, such as `Deploy`.
    pub description: String,
    /// All config vars, or none to keep those of the newest release.
    pub config: Option<BTreeMap<String, String>>,
    /// What can be run of it; not empty.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// How many dynos of types that have no number yet.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// Withholds the values of config vars, which are secrets.
impl fmt::Debug for Deploy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deploy")
            .field("slug", &self.slug)
            .field("description", &self.description)
            .field(
                "config",
                &self.config.as_ref().map(|c| c.keys().collect::<Vec<_>>()),
            )
            .field("processes", &self.processes)
            .field("formation", &self.formation)
            .finish()
    }
}

/// What came of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The release that it made, if it made one. It does not serve yet: see `Control::outcome`.
    pub version: Option<Version>,
}

/// Why a command was not accepted. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It does not fit what there is.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The app has no release yet.
    #[error("{0} has no release yet: deploy it first")]
    NoRelease(AppName),
    /// The newest release has no such process type.
    #[error("{app} has no process type {process}; it has {known}")]
    NoSuchProcess {
        /// The app.
        app: AppName,
        /// The type that was asked for.
        process: ProcessType,
        /// The types that it has.
        known: String,
    },
    /// There is no such place in the formation.
    #[error("{app} has no dyno {dyno}")]
    NoSuchDyno {
        /// The app.
        app: AppName,
        /// The place that was asked for.
        dyno: DynoId,
    },
    /// More dynos than are allowed.
    #[error("{count} dynos of {process} are too many: at most {DYNOS_PER_TYPE_MAX}")]
    TooManyDynos {
        /// The type.
        process: ProcessType,
        /// How many were asked for.
        count: u32,
    },
    /// A release must be able to run something.
    #[error("there is nothing to run: the slug has no process types")]
    NothingToRun,
    /// A config var's name is not allowed.
    #[error("{0:?} is not the name of a config var: use letters, digits and _, not a digit first")]
    ConfigName(String),
    /// The config vars are too large.
    #[error("config vars have at most {CONFIG_BYTES_MAX} bytes all together, not {0}")]
    ConfigSize(usize),
    /// The reconciler is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// The facts that a command becomes, given intent as it is and the next run to be started.
pub(crate) fn facts(
    desired: &Desired,
    next_run: Run,
    command: Command,
) -> Result<Vec<Fact>, Rejected> {
    let facts = match command {
        Command::CreateApp { app, hostnames } => vec![Fact::AppCreated { app, hostnames }],
        Command::Deploy { app, deploy } => deployed(desired.app(&app)?, next_run, deploy)?,
        Command::Scale { app, counts } => scaled(desired.app(&app)?, next_run, counts)?,
        Command::Rollback { app, to } => {
            let app = desired.app(&app)?;
            let no_such = || Misfit::NoSuchRelease {
                app: app.name.clone(),
                version: to,
            };
            let old = app.releases.get(&to).ok_or_else(no_such)?;
            vec![again(
                app,
                old,
                format!("Rollback to {to}"),
                Arc::clone(&old.config),
            )]
        }
        Command::Restart { app, target } => {
            restartable(desired.app(&app)?, &target)?;
            vec![Fact::RestartAsked {
                app,
                target,
                before: next_run,
            }]
        }
        Command::SetMaintenance { app, on } => vec![Fact::MaintenanceSet { app, on }],
        Command::SetConfig { app, changes } => vec![reconfigured(desired.app(&app)?, changes)?],
        Command::AddDomain { app, hostname } => vec![Fact::DomainAdded { app, hostname }],
        Command::Shutdown { .. } => Vec::new(),
    };
    let mut trial = desired.clone();
    for fact in &facts {
        trial.apply(fact)?;
    }
    Ok(facts)
}

fn deployed(app: &App, next_run: Run, deploy: Deploy) -> Result<Vec<Fact>, Rejected> {
    if deploy.processes.is_empty() {
        return Err(Rejected::NothingToRun);
    }
    let config = match deploy.config {
        Some(config) => Arc::new(checked(config)?),
        None => app
            .newest()
            .map(|release| Arc::clone(&release.config))
            .unwrap_or_default(),
    };
    let release = Release {
        version: app.next_version(),
        slug: deploy.slug,
        description: deploy.description,
        config,
        processes: deploy.processes,
    };
    let mut facts = Vec::new();
    for (process, count) in deploy.formation {
        if !app.formation.contains_key(&process) && release.processes.contains_key(&process) {
            facts.push(scale(app, next_run, process, count)?);
        }
    }
    facts.push(Fact::ReleaseCreated {
        app: app.name.clone(),
        release: Arc::new(release),
    });
    Ok(facts)
}

fn scaled(
    app: &App,
    next_run: Run,
    counts: BTreeMap<ProcessType, u32>,
) -> Result<Vec<Fact>, Rejected> {
    let newest = app
        .newest()
        .ok_or_else(|| Rejected::NoRelease(app.name.clone()))?;
    let mut facts = Vec::new();
    for (process, count) in counts {
        if !newest.processes.contains_key(&process) {
            let known: Vec<&str> = newest.processes.keys().map(ProcessType::as_str).collect();
            let known = known.join(", ");
            return Err(Rejected::NoSuchProcess {
                app: app.name.clone(),
                process,
                known,
            });
        }
        facts.push(scale(app, next_run, process, count)?);
    }
    Ok(facts)
}

fn scale(app: &App, before: Run, process: ProcessType, count: u32) -> Result<Fact, Rejected> {
    if count > DYNOS_PER_TYPE_MAX {
        return Err(Rejected::TooManyDynos { process, count });
    }
    Ok(Fact::Scaled {
        app: app.name.clone(),
        process,
        count,
        before,
    })
}

fn restartable(app: &App, target: &Restart) -> Result<(), Rejected> {
    let newest = app
        .newest()
        .ok_or_else(|| Rejected::NoRelease(app.name.clone()))?;
    match target {
        Restart::Dyno(dyno) if !app.slots(newest).contains(dyno) => Err(Rejected::NoSuchDyno {
            app: app.name.clone(),
            dyno: dyno.clone(),
        }),
        Restart::Dyno(_) | Restart::All => Ok(()),
    }
}

fn reconfigured(app: &App, changes: ConfigChanges) -> Result<Fact, Rejected> {
    let newest = app
        .newest()
        .ok_or_else(|| Rejected::NoRelease(app.name.clone()))?;
    let mut config = BTreeMap::clone(&newest.config);
    let names: Vec<&str> = changes.0.keys().map(String::as_str).collect();
    let description = format!("Change config vars: {}", names.join(", "));
    for (name, value) in changes.0 {
        match value {
            Some(value) => config.insert(name, value),
            None => config.remove(&name),
        };
    }
    Ok(again(app, newest, description, Arc::new(checked(config)?)))
}

/// The next release of the app, with slug and processes as in `old`.
fn again(
    app: &App,
    old: &Release,
    description: String,
    config: Arc<BTreeMap<String, String>>,
) -> Fact {
    let version = app.next_version();
    let release = Release {
        version,
        description,
        config,
        ..old.clone()
    };
    Fact::ReleaseCreated {
        app: app.name.clone(),
        release: Arc::new(release),
    }
}

fn checked(config: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Rejected> {
    if let Some(name) = config.keys().find(|name| !is_config_name(name)) {
        return Err(Rejected::ConfigName(name.chars().take(64).collect()));
    }
    let bytes: usize = config
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > CONFIG_BYTES_MAX {
        Err(Rejected::ConfigSize(bytes))
    } else {
        Ok(config)
    }
}

fn is_config_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|first| !first.is_ascii_digit())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

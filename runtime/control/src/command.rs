//! Commands, and the facts that they become.
//!
//! Owns what a command may ask for. Must not know how it is carried out, nor who may send it.

mod addons;
mod facts;

pub use addons::AddonCommand;
pub(crate) use addons::default_name;
pub(crate) use facts::{checked as checked_config, facts};

use grid::desired::{AppSettings, FactError, ProcessSpec, RestartTarget};
use grid::name::{
    AddonName, AppName, AttachmentName, DynoId, Hostname, ProcessType, SlugId, Version,
};
use grid::plan::OneOffError;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// Dynos of one process type at most: a slip of the finger must not fill a grid.
pub(crate) const DYNOS_PER_TYPE_MAX: u32 = 1_000;
/// All names and values of an app's config vars together, in bytes.
pub(crate) const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Linear memory of a dyno in bytes: from 1 MiB to all that 32 bits can address, as in a slug's manifest.
pub(crate) const MEMORY_BYTES: RangeInclusive<u64> = 1024 * 1024..=4 * 1024 * 1024 * 1024;
/// What an app may set as its time to the first byte of a response.
pub(crate) const REQUEST_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10 * 60);
/// What an app may set as the time after which its dynos sleep: up to thirty days.
pub(crate) const IDLE_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 60 * 60);

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
    /// End an app: its dynos, its releases, its name.
    DestroyApp {
        /// The app.
        app: AppName,
    },
    /// Make a release of a new slug.
    Deploy {
        /// The app.
        app: AppName,
        /// What to deploy.
        deploy: Deploy,
    },
    /// Change how many dynos there are, and how large.
    Scale {
        /// The app.
        app: AppName,
        /// How many of each type; types that are not named stay as they are.
        counts: BTreeMap<ProcessType, u32>,
        /// Memory in bytes of the dynos of a type; another one than now makes a release.
        sizes: BTreeMap<ProcessType, u64>,
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
        target: RestartTarget,
    },
    /// Leave a place of the formation empty.
    StopDyno {
        /// The app.
        app: AppName,
        /// The place.
        dyno: DynoId,
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
    /// Answer no more at a host name.
    RemoveDomain {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: Hostname,
    },
    /// Replace an app's settings.
    SetSettings {
        /// The app.
        app: AppName,
        /// All of them.
        settings: AppSettings,
    },
    /// Something about an add-on.
    Addon(AddonCommand),
}

/// Who asks for something, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The name of a token, or of what acts by itself.
    pub by: String,
    /// In milliseconds since 1970.
    pub at_ms: u64,
}

impl Actor {
    /// Whoever has this name, now.
    pub fn now(by: &str) -> Actor {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at_ms = since.map_or(0, |since| since.as_millis());
        Actor {
            by: by.to_owned(),
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
        }
    }
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
#[derive(Clone, Debug)]
pub struct Deploy {
    /// The built app.
    pub slug: SlugId,
    /// Why, such as `Deploy`.
    pub description: String,
    /// Its config vars.
    pub config: DeployConfig,
    /// What can be run of it; not empty.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// How many dynos of types that have no number yet.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// The config vars of what is deployed.
#[derive(Clone, PartialEq, Eq)]
pub enum DeployConfig {
    /// The app's own. One without a release has these as well, where it has none of the name.
    Own(BTreeMap<String, String>),
    /// These, and those of add-ons.
    These(BTreeMap<String, String>),
}

/// Withholds the values, which are secrets.
impl fmt::Debug for DeployConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, vars) = match self {
            DeployConfig::Own(vars) => ("Own", vars),
            DeployConfig::These(vars) => ("These", vars),
        };
        f.debug_tuple(name)
            .field(&vars.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What came of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The release that it made, if it made one. It does not serve yet: see `Control::outcome`.
    pub version: Option<Version>,
    /// Whether it was carried out before, for an earlier request with the same idempotency key.
    pub repeated: bool,
}

/// Why a command was not accepted. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It does not fit what there is.
    #[error(transparent)]
    Misfit(#[from] FactError),
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
    /// It runs once, and is part of no formation.
    #[error(
        "{0} runs once and is never part of the formation: `release` runs at each release, and `dyno run` \
         starts anything else once"
    )]
    RunsOnce(ProcessType),
    /// It runs once, so that nothing would come after it.
    #[error("{0} runs once and cannot be restarted: end it with `dyno ps stop {0}`")]
    NotRestarted(DynoId),
    /// There may not be one more one-off dyno.
    #[error(transparent)]
    OneOff(#[from] OneOffError),
    /// Too many one-off dynos begin at once.
    #[error("too many one-off dynos start at once: try again in a moment")]
    TooManyAtOnce,
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
    /// A dyno of this size cannot be.
    #[error("{bytes} bytes of memory for {process} are not possible: give it 1MiB to 4GiB")]
    Memory {
        /// The type.
        process: ProcessType,
        /// What was asked for, in bytes.
        bytes: u64,
    },
    /// Responses cannot be waited for so long, or so shortly.
    #[error("a request timeout is from 1s to 10m, not {}", humantime::format_duration(*.0))]
    RequestTimeout(Duration),
    /// Dynos cannot fall asleep after this time.
    #[error("dynos sleep after 1s to 30d, or never, not after {}", humantime::format_duration(*.0))]
    IdleAfter(Duration),
    /// Something of an earlier app of this name still runs.
    #[error("{0} was destroyed a moment ago and still ends: try again in half a minute")]
    StillEnding(AppName),
    /// A config var belongs to an add-on.
    #[error(
        "the config var {var} belongs to the add-on {addon}, and goes with it: `dyno addons detach` or \
         `dyno addons destroy`"
    )]
    ConfigOwned {
        /// The config var.
        var: String,
        /// The add-on.
        addon: AddonName,
    },
    /// An add-on would take the place of a config var that somebody set.
    #[error("{app} has a config var {var} already: unset it, or give another name with --as")]
    ConfigTaken {
        /// The app.
        app: AppName,
        /// The config var.
        var: String,
    },
    /// The app has another add-on of this name.
    #[error("{app} has the add-on {addon} as {name} already: give another name with --as")]
    AttachmentTaken {
        /// The app.
        app: AppName,
        /// The name.
        name: AttachmentName,
        /// The add-on that has it.
        addon: AddonName,
    },
    /// The app has the add-on.
    #[error("{app} has the add-on {addon} already, as {name}")]
    AttachedAlready {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
        /// What the app calls it.
        name: AttachmentName,
    },
    /// An app and its own add-on stay together.
    #[error(
        "the add-on {addon} was made for {app} and stays with it: `dyno addons destroy {addon}` ends it"
    )]
    OwnAddon {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
    /// Another app would lose an add-on.
    #[error("the add-on {addon} is attached to {with} too: detach it there first, or destroy it")]
    AddonShared {
        /// The add-on.
        addon: AddonName,
        /// The other app.
        with: AppName,
    },
    /// There are too many.
    #[error("there are {0} add-ons already, and there can be no more: destroy one first")]
    TooManyAddons(usize),
    /// The reconciler is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

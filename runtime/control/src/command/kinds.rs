//! The commands, as data.
//!
//! Owns what a command may ask for. Must not know how it is carried out, nor who may send it.

use grid::desired::{AddonDetails, AppSettings, NewAddon, ProcessSpec, RestartTarget};
use grid::name::{
    AddonName, AppName, AttachmentName, DynoId, Hostname, ProcessType, SlugId, Version,
};
use std::collections::BTreeMap;
use std::fmt;

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
        deploy: ReleaseSpec,
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

/// Something that is asked for, or was done, about an add-on.
#[derive(Clone, Debug)]
pub enum AddonCommand {
    /// Make one.
    Create(NewAddon),
    /// It was made: attach it to its app.
    Made {
        /// The add-on.
        addon: AddonName,
        /// What came of making it.
        made: AddonDetails,
    },
    /// Share one with a further app.
    Attach {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
        /// What the app calls it; none: as its service is called by default.
        name: Option<AttachmentName>,
    },
    /// Share it with an app no longer.
    Detach {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
    /// Have it go, and all that is in it.
    Destroy {
        /// The add-on.
        addon: AddonName,
    },
    /// Nothing is left of it.
    Gone {
        /// The add-on.
        addon: AddonName,
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
#[derive(Clone, Debug)]
pub struct ReleaseSpec {
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
pub struct AcceptedChange {
    /// The release that it made, if it made one. It does not serve yet: see `Control::outcome`.
    pub version: Option<Version>,
    /// Whether it was carried out before, for an earlier request with the same idempotency key.
    pub repeated: bool,
}

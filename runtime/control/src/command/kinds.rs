//! The commands as data.
//!
//! Owns the fields of every command. Must not know how a command is checked or carried out.

use grid::desired::{
    AddonDetails, AddonService, AppSettings, ProcessSpec, RestartTarget, SecretText,
};
use grid::name::{
    AddonName, AppName, AttachmentName, DynoId, Hostname, ProcessType, SlugId, Version,
};
use std::collections::BTreeMap;
use std::fmt;

/// One change that a user requests.
#[derive(Clone, Debug)]
pub enum Command {
    /// Create an app.
    CreateApp {
        /// The name.
        app: AppName,
        /// The hostnames at which the app serves requests.
        hostnames: Vec<Hostname>,
    },
    /// Destroy an app with its dynos and releases, and free its name.
    DestroyApp {
        /// The app.
        app: AppName,
    },
    /// Create a release from a slug.
    Deploy {
        /// The app.
        app: AppName,
        /// The content of the release.
        deploy: ReleaseSpec,
    },
    /// Change the number and the size of dynos.
    Scale {
        /// The app.
        app: AppName,
        /// The new count by process type. Other types keep their count.
        counts: BTreeMap<ProcessType, u32>,
        /// The memory in bytes by process type. A change of size creates a release.
        sizes: BTreeMap<ProcessType, u64>,
    },
    /// Create a release with the slug, config vars and process types of an earlier release.
    Rollback {
        /// The app.
        app: AppName,
        /// The earlier release.
        to: Version,
    },
    /// Replace dynos by new dynos.
    Restart {
        /// The app.
        app: AppName,
        /// The dynos to restart.
        target: RestartTarget,
    },
    /// Stop one dyno of the formation until it is restarted or scaled.
    StopDyno {
        /// The app.
        app: AppName,
        /// The dyno.
        dyno: DynoId,
    },
    /// Turn maintenance mode on or off.
    SetMaintenance {
        /// The app.
        app: AppName,
        /// Whether maintenance mode is on afterwards.
        on: bool,
    },
    /// Create a release with changed config vars.
    SetConfig {
        /// The app.
        app: AppName,
        /// The changes.
        changes: ConfigChanges,
    },
    /// Add a hostname.
    AddDomain {
        /// The app.
        app: AppName,
        /// The hostname.
        hostname: Hostname,
    },
    /// Remove a hostname.
    RemoveDomain {
        /// The app.
        app: AppName,
        /// The hostname.
        hostname: Hostname,
    },
    /// Replace all settings of an app.
    SetSettings {
        /// The app.
        app: AppName,
        /// The new settings.
        settings: AppSettings,
    },
    /// A command about an add-on.
    Addon(AddonCommand),
}

/// One change of an add-on: requested by a user, or completed by the add-on keeper.
#[derive(Clone, Debug)]
pub enum AddonCommand {
    /// Create an add-on.
    Create(AddonSpec),
    /// The keeper created the add-on: attach it to its app.
    Made {
        /// The add-on.
        addon: AddonName,
        /// The values for config vars, and the addresses that the app may connect to.
        made: AddonDetails,
    },
    /// Attach an add-on to a further app.
    Attach {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
        /// The attachment name; `None` selects the default name of the service.
        name: Option<AttachmentName>,
    },
    /// Detach an add-on from an app.
    Detach {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
    /// Destroy an add-on with all its data.
    Destroy {
        /// The add-on.
        addon: AddonName,
    },
    /// The keeper removed the add-on completely.
    Gone {
        /// The add-on.
        addon: AddonName,
    },
}

/// The content of a new add-on. The actor of the request becomes its creator.
#[derive(Clone, Debug)]
pub struct AddonSpec {
    /// The name.
    pub name: AddonName,
    /// The service.
    pub service: AddonService,
    /// The app that the add-on is created for, and destroyed with.
    pub owner: AppName,
    /// The attachment name in that app.
    pub attach_as: AttachmentName,
    /// The password of the add-on's user or role: letters and digits.
    pub password: SecretText,
}

/// Config vars to set; `None` removes the config var.
#[derive(Clone, Default)]
pub struct ConfigChanges(pub BTreeMap<String, Option<String>>);

/// Prints names only: values are secrets.
impl fmt::Debug for ConfigChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The content of a new release.
#[derive(Clone, Debug)]
pub struct ReleaseSpec {
    /// The slug.
    pub slug: SlugId,
    /// The description that users see in the list of releases, such as `Deploy`.
    pub description: String,
    /// Its config vars.
    pub config: DeployConfig,
    /// The process types; at least one.
    pub processes: BTreeMap<ProcessType, ProcessSpec>,
    /// The initial count of process types that were never scaled.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// The config vars of a new release.
#[derive(Clone, PartialEq, Eq)]
pub enum DeployConfig {
    /// Keep the app's config vars. For an app without a release, these values are added where the app has no config
    /// var of the same name.
    Own(BTreeMap<String, String>),
    /// Use these values and those of the app's add-ons.
    These(BTreeMap<String, String>),
}

/// Prints names only: values are secrets.
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

/// The result of an accepted change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptedChange {
    /// The release that the change created, if any. The release does not serve yet: see
    /// [`Control::wait_for_outcome`](crate::Control::wait_for_outcome).
    pub version: Option<Version>,
    /// The time of the change in the ledger, in milliseconds since 1970. For a request that changes nothing, the time
    /// of the answer.
    pub at_ms: u64,
    /// Whether an earlier request with the same idempotency key made the change.
    pub repeated: bool,
}

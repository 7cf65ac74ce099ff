//! The reasons for which a command is rejected.
//!
//! Owns the error texts that users read. Must not know how a command is checked.

use super::limits::{CONFIG_BYTES_MAX, DYNOS_PER_TYPE_MAX};
use grid::desired::FactError;
use grid::name::{AddonName, AppName, AttachmentName, DynoId, ProcessType};
use grid::plan::OneOffError;
use std::time::Duration;

/// The reason for which a command is rejected. A rejected command changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The command contradicts the current state, for example it names an app that does not exist.
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
        /// The process type in the command.
        process: ProcessType,
        /// The process types of the newest release, separated by commas.
        known: String,
    },
    /// The process type runs once and is not part of the formation.
    #[error(
        "{0} runs once and is never part of the formation: `release` runs at each release, and `dyno run` \
         starts anything else once"
    )]
    RunsOnce(ProcessType),
    /// A dyno that runs once has no successor, so a restart would only stop it.
    #[error("{0} runs once and cannot be restarted: end it with `dyno ps stop {0}`")]
    NotRestarted(DynoId),
    /// No further one-off dyno may start.
    #[error(transparent)]
    OneOff(#[from] OneOffError),
    /// The queue of starting one-off dynos is full.
    #[error("too many one-off dynos start at once: try again in a moment")]
    TooManyAtOnce,
    /// The formation has no dyno of this name.
    #[error("{app} has no dyno {dyno}")]
    NoSuchDyno {
        /// The app.
        app: AppName,
        /// The dyno in the command.
        dyno: DynoId,
    },
    /// The count is above the limit for one process type.
    #[error("{count} dynos of {process} are too many: at most {DYNOS_PER_TYPE_MAX}")]
    TooManyDynos {
        /// The type.
        process: ProcessType,
        /// The count in the command.
        count: u32,
    },
    /// The slug has no process types, so its release could run nothing.
    #[error("there is nothing to run: the slug has no process types")]
    NothingToRun,
    /// A config var's name is not allowed.
    #[error("{0:?} is not the name of a config var: use letters, digits and _, not a digit first")]
    ConfigName(String),
    /// The config vars are too large.
    #[error("config vars have at most {CONFIG_BYTES_MAX} bytes all together, not {0}")]
    ConfigSize(usize),
    /// The memory size is outside the allowed range.
    #[error("{bytes} bytes of memory for {process} are not possible: give it 1MiB to 4GiB")]
    Memory {
        /// The type.
        process: ProcessType,
        /// The size in the command, in bytes.
        bytes: u64,
    },
    /// The request timeout is outside the allowed range.
    #[error("a request timeout is from 1s to 10m, not {}", humantime::format_duration(*.0))]
    RequestTimeout(Duration),
    /// The idle time is outside the allowed range.
    #[error("dynos sleep after 1s to 30d, or never, not after {}", humantime::format_duration(*.0))]
    IdleAfter(Duration),
    /// Dynos of an earlier app with this name are still running.
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
    /// The add-on would overwrite a config var that was set by a user.
    #[error("{app} has a config var {var} already: unset it, or give another name with --as")]
    ConfigTaken {
        /// The app.
        app: AppName,
        /// The config var.
        var: String,
    },
    /// The app uses this attachment name for another add-on.
    #[error("{app} has the add-on {addon} as {name} already: give another name with --as")]
    AttachmentTaken {
        /// The app.
        app: AppName,
        /// The name.
        name: AttachmentName,
        /// The add-on that uses the name.
        addon: AddonName,
    },
    /// The add-on is attached to the app already.
    #[error("{app} has the add-on {addon} already, as {name}")]
    AttachedAlready {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
        /// The attachment name.
        name: AttachmentName,
    },
    /// An add-on cannot be detached from the app that it was created for.
    #[error(
        "the add-on {addon} was made for {app} and stays with it: `dyno addons destroy {addon}` ends it"
    )]
    OwnAddon {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
    /// The add-on is attached to another app as well.
    #[error("the add-on {addon} is attached to {with} too: detach it there first, or destroy it")]
    AddonShared {
        /// The add-on.
        addon: AddonName,
        /// The other app.
        with: AppName,
    },
    /// The number of add-ons is at its limit.
    #[error("there are {0} add-ons already, and there can be no more: destroy one first")]
    TooManyAddons(usize),
    /// The reconciler is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

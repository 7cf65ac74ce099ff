//! Why a command is not accepted.
//!
//! Owns the texts that users read. Must not know how a command is checked.

use super::limits::{CONFIG_BYTES_MAX, DYNOS_PER_TYPE_MAX};
use grid::desired::FactError;
use grid::name::{AddonName, AppName, AttachmentName, DynoId, ProcessType};
use grid::plan::OneOffError;
use std::time::Duration;

/// Why a command was not accepted. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
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

//! The facts that a ledger holds: what was asked for and what was decided, in order.
//!
//! Owns their shapes. Must not know how they are stored, nor what follows from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AddonDetails, AppSettings, ConfigVars, NewAddon, Release};
use crate::name::{
    AddonName, AppName, AttachmentName, DynoId, Endpoint, Hostname, NodeId, ProcessType, Run,
    Version,
};

/// Which dynos a restart is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RestartTarget {
    /// Every dyno of the app.
    All,
    /// The dyno in one place of the formation.
    Dyno(DynoId),
}

/// One thing that happened to the intent of the grid; never changed once appended.
///
/// Nothing follows from a point in time in a fact: time is measured anew by each reconciler. Where a fact
/// divides dynos into older and newer ones it does so by [`Run`], which rises over all reconcilers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A reconciler took over; its runs and generations are above all earlier ones.
    ReconcilerStarted,
    /// A node was heard of for the first time; a reconciler that starts waits a moment for it.
    NodeJoined {
        /// The node.
        node: NodeId,
    },
    /// An app exists from now on, with these host names.
    AppCreated {
        /// Its name.
        app: AppName,
        /// Where it answers.
        hostnames: Vec<Hostname>,
    },
    /// A release was made. It serves once its dynos are up.
    ReleaseCreated {
        /// The app.
        app: AppName,
        /// The release; its version is the app's next.
        release: Arc<Release>,
    },
    /// The dynos of a release were up, and it was published.
    ReleaseServing {
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
    },
    /// A release did not come up; what served before goes on serving.
    ReleaseFailed {
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
        /// Why, for its owner to read.
        reason: String,
    },
    /// The release process of a release ended: its dynos may start now, or it failed and never serves.
    ReleaseProcessEnded {
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
        /// Why it failed, for its owner to read; none if it succeeded.
        failure: Option<String>,
    },
    /// So many dynos of a process type are wanted.
    Scaled {
        /// The app.
        app: AppName,
        /// The process type.
        process: ProcessType,
        /// How many.
        count: u32,
        /// Crashes of earlier runs are forgiven if there were no dynos of this type before.
        before: Run,
    },
    /// Dynos of earlier runs are to be replaced.
    RestartAsked {
        /// The app.
        app: AppName,
        /// Which of its dynos.
        target: RestartTarget,
        /// Dynos with a smaller run are too old.
        before: Run,
    },
    /// Maintenance mode was turned on or off.
    MaintenanceSet {
        /// The app.
        app: AppName,
        /// Whether it is on.
        on: bool,
    },
    /// The app answers at one more host name.
    DomainAdded {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: Hostname,
    },
    /// The app does not answer at this host name any more.
    DomainRemoved {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: Hostname,
    },
    /// The app is gone, with its releases; what runs of it is to end.
    AppDestroyed {
        /// The app.
        app: AppName,
        /// Dynos with a smaller run are of the app that is gone, even if there is one of this name again.
        before: Run,
    },
    /// Config vars were set before there was a release to have them: the first one has them.
    ConfigKept {
        /// The app.
        app: AppName,
        /// All of them.
        config: ConfigVars,
    },
    /// The app has these settings from now on, and no others.
    AppSet {
        /// The app.
        app: AppName,
        /// All its settings.
        settings: AppSettings,
    },
    /// Dynos of a process type have this much memory in releases made from now on.
    Resized {
        /// The app.
        app: AppName,
        /// The process type.
        process: ProcessType,
        /// Memory in bytes; none: what the slug says.
        memory_bytes: Option<u64>,
    },
    /// A place of the formation stays empty until it or the app is restarted, its process type is scaled,
    /// or a release is made.
    DynoStopped {
        /// The app.
        app: AppName,
        /// The place.
        dyno: DynoId,
        /// Dynos with a smaller run are to end, even if the place is filled again before they do.
        before: Run,
    },
    /// Old releases cannot be rolled back to any more.
    ReleasesPruned {
        /// The app.
        app: AppName,
        /// Releases before this one are gone, but for those that are needed.
        before: Version,
    },
    /// An add-on is to be made: from now on, parts of it may be there.
    AddonRequested {
        /// What is asked for.
        addon: Arc<NewAddon>,
    },
    /// An add-on is there.
    AddonMade {
        /// The app that it was made for.
        app: AppName,
        /// Its name.
        addon: AddonName,
        /// What came of making it.
        made: AddonDetails,
    },
    /// The next release of an app is the first that has an add-on's config vars.
    AddonAttached {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
        /// What the app calls it.
        name: AttachmentName,
        /// The config vars.
        vars: ConfigVars,
        /// What the app's dynos may reach for its sake.
        reach: Arc<BTreeSet<Endpoint>>,
    },
    /// The next release of an app does not have an add-on's config vars any more.
    AddonDetached {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
    /// An add-on is to go, with all that is in it.
    AddonDestroying {
        /// The app that it was made for.
        app: AppName,
        /// Its name.
        addon: AddonName,
    },
    /// Nothing is left of an add-on.
    AddonGone {
        /// The app that it was made for.
        app: AppName,
        /// Its name.
        addon: AddonName,
    },
}

impl Fact {
    /// The app that the fact is about, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Fact::ReconcilerStarted | Fact::NodeJoined { .. } => None,
            Fact::AppCreated { app, .. }
            | Fact::ReleaseCreated { app, .. }
            | Fact::ReleaseServing { app, .. }
            | Fact::ReleaseFailed { app, .. }
            | Fact::ReleaseProcessEnded { app, .. }
            | Fact::Scaled { app, .. }
            | Fact::RestartAsked { app, .. }
            | Fact::MaintenanceSet { app, .. }
            | Fact::DomainAdded { app, .. }
            | Fact::DomainRemoved { app, .. }
            | Fact::AppDestroyed { app, .. }
            | Fact::AppSet { app, .. }
            | Fact::ConfigKept { app, .. }
            | Fact::Resized { app, .. }
            | Fact::DynoStopped { app, .. }
            | Fact::ReleasesPruned { app, .. }
            | Fact::AddonMade { app, .. }
            | Fact::AddonAttached { app, .. }
            | Fact::AddonDetached { app, .. }
            | Fact::AddonDestroying { app, .. }
            | Fact::AddonGone { app, .. } => Some(app),
            Fact::AddonRequested { addon } => Some(&addon.owner),
        }
    }
}

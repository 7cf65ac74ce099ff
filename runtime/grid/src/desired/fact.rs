//! The facts that a ledger holds, in order: what users asked for, and what was decided.
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

/// The dynos that a restart is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RestartTarget {
    /// Every dyno of the app.
    All,
    /// The dyno in one place of the formation.
    Dyno(DynoId),
}

/// One change of the desired state. A fact never changes once it is in the ledger.
///
/// No decision depends on a point in time in a fact, since each reconciler measures time anew. A fact that divides
/// dynos into older and newer ones does so by [`Run`], which rises over all reconcilers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A reconciler took over. Its runs and generations are above all earlier ones.
    ReconcilerStarted,
    /// A node was heard for the first time, or was added again after it had left. A reconciler that starts waits a
    /// moment for every such node.
    NodeJoined {
        /// The node.
        node: NodeId,
    },
    /// A node was removed by an operator: it is gone for good, with everything on it. It no longer counts, and is not
    /// heard any more.
    NodeLeft {
        /// The node.
        node: NodeId,
    },
    /// An app was created, with these host names.
    AppCreated {
        /// Its name.
        app: AppName,
        /// The app's host names.
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
    /// A release failed. The release that served before goes on serving.
    ReleaseFailed {
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
        /// The reason, for the app's owner.
        reason: String,
    },
    /// The release process of a release ended. If it succeeded, the dynos may start; if it failed, the release never
    /// serves.
    ReleaseProcessEnded {
        /// The app.
        app: AppName,
        /// The release.
        version: Version,
        /// The reason of a failure, for the app's owner; none if the process succeeded.
        failure: Option<String>,
    },
    /// The number of dynos of a process type was set.
    Scaled {
        /// The app.
        app: AppName,
        /// The process type.
        process: ProcessType,
        /// The number of dynos.
        count: u32,
        /// If the number was zero before, crashes of smaller runs no longer count.
        before: Run,
    },
    /// Dynos of smaller runs are to be replaced.
    RestartAsked {
        /// The app.
        app: AppName,
        /// The dynos of the app that are restarted.
        target: RestartTarget,
        /// Dynos with a smaller run are to be replaced.
        before: Run,
    },
    /// Maintenance mode was turned on or off.
    MaintenanceSet {
        /// The app.
        app: AppName,
        /// Whether it is on.
        on: bool,
    },
    /// The app got one more host name.
    DomainAdded {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: Hostname,
    },
    /// The app lost this host name.
    DomainRemoved {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: Hostname,
    },
    /// The app was destroyed, with its releases. Its dynos are to end.
    AppDestroyed {
        /// The app.
        app: AppName,
        /// Dynos with a smaller run are of the destroyed app, even if an app of the same name is created later.
        before: Run,
    },
    /// Config vars were set before the first release, which will have them.
    ConfigKept {
        /// The app.
        app: AppName,
        /// All of them.
        config: ConfigVars,
    },
    /// The app's settings were replaced by these.
    AppSet {
        /// The app.
        app: AppName,
        /// All its settings.
        settings: AppSettings,
    },
    /// The memory of dynos of a process type was set, for releases made from now on.
    Resized {
        /// The app.
        app: AppName,
        /// The process type.
        process: ProcessType,
        /// Memory in bytes; none: the slug's setting.
        memory_bytes: Option<u64>,
    },
    /// A place of the formation was stopped. It stays empty until the place or the app is restarted, its process type
    /// is scaled, or a release is made.
    DynoStopped {
        /// The app.
        app: AppName,
        /// The place.
        dyno: DynoId,
        /// Dynos with a smaller run are to end, even if the place is filled again before that.
        before: Run,
    },
    /// Old releases were pruned: no rollback to them is possible.
    ReleasesPruned {
        /// The app.
        app: AppName,
        /// Releases before this one are gone, except those that serve or should serve.
        before: Version,
    },
    /// A user asked for an add-on. From now on, parts of it may exist on the database server.
    AddonRequested {
        /// The request.
        addon: Arc<NewAddon>,
    },
    /// An add-on was made.
    AddonMade {
        /// The app that the add-on was made for.
        app: AppName,
        /// Its name.
        addon: AddonName,
        /// Its config values and addresses.
        made: AddonDetails,
    },
    /// An add-on was attached to an app: the next release is the first with its config vars.
    AddonAttached {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
        /// The name of the attachment.
        name: AttachmentName,
        /// The config vars.
        vars: ConfigVars,
        /// The addresses of the add-on, which the app's dynos may reach.
        reach: Arc<BTreeSet<Endpoint>>,
    },
    /// An add-on was detached from an app: the next release is the first without its config vars.
    AddonDetached {
        /// The app.
        app: AppName,
        /// The add-on.
        addon: AddonName,
    },
    /// An add-on is to be destroyed, with all its data.
    AddonDestroying {
        /// The app that the add-on was made for.
        app: AppName,
        /// Its name.
        addon: AddonName,
    },
    /// An add-on was destroyed: nothing is left of it.
    AddonGone {
        /// The app that the add-on was made for.
        app: AppName,
        /// Its name.
        addon: AddonName,
    },
}

impl Fact {
    /// The app that the fact is about, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Fact::ReconcilerStarted | Fact::NodeJoined { .. } | Fact::NodeLeft { .. } => None,
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

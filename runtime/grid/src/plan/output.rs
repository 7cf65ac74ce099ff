//! The result of planning: steps, a time to plan again, and notes for people.
//!
//! Owns the shapes. Must not know how a plan is made.

use std::collections::BTreeSet;
use std::fmt;

use crate::name::{AppName, DynoId, NodeId, ReleaseId};
use crate::protocol::Step;
use crate::time::Time;

/// The steps to carry out now, and when to plan again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps, to be carried out in this order.
    pub steps: Vec<Step>,
    /// When to plan again if nothing is heard before. `ObservedState::next_death` may be earlier.
    pub wake_at: Option<Time>,
    /// The reasons why the desired state cannot be reached now.
    pub notes: BTreeSet<PlanNote>,
}

/// A reason why the desired state cannot be reached now, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanNote {
    /// Some known nodes have not sent an inventory yet: nothing is decided for a moment.
    Settling,
    /// Most nodes are silent at once. The fault is probably in the connection of the reconciler, so no dyno is moved.
    MostNodesSilent,
    /// No node is alive, so nothing can start.
    NoNodes,
    /// This node is silent. Its dynos are placed on other nodes.
    NodeSilent {
        /// The node.
        node: NodeId,
    },
    /// No node has room for this dyno.
    NoRoom {
        /// The app.
        app: AppName,
        /// The place to be filled.
        dyno: DynoId,
        /// The release of the dyno.
        release: ReleaseId,
    },
    /// This place stays empty for a while after crashes.
    BackingOff {
        /// The app.
        app: AppName,
        /// The place to be filled.
        dyno: DynoId,
        /// When the place may be filled again.
        until: Time,
    },
    /// Nodes have dynos of an app that the ledger does not know. These dynos are left alone.
    UnknownApp {
        /// The app.
        app: AppName,
    },
}

impl PlanNote {
    /// The app that the note is about, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            PlanNote::NoRoom { app, .. }
            | PlanNote::BackingOff { app, .. }
            | PlanNote::UnknownApp { app } => Some(app),
            PlanNote::Settling
            | PlanNote::MostNodesSilent
            | PlanNote::NoNodes
            | PlanNote::NodeSilent { .. } => None,
        }
    }
}

impl fmt::Display for PlanNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanNote::Settling => f.write_str("waiting for the nodes to say what they have"),
            PlanNote::MostNodesSilent => f.write_str("most nodes are silent: moving nothing"),
            PlanNote::NoNodes => f.write_str("there is no node to start anything on"),
            PlanNote::NodeSilent { node } => write!(f, "node {node} is silent"),
            PlanNote::NoRoom { dyno, release, .. } => {
                write!(f, "no node has room for {dyno} of {release}")
            }
            PlanNote::BackingOff { dyno, until, .. } => write!(f, "{dyno} waits until {until}"),
            PlanNote::UnknownApp { app } => {
                write!(f, "leaving dynos of the unknown app {app} alone")
            }
        }
    }
}

//! What planning yields: steps, a time to plan again, and notes for people.
//!
//! Owns the shapes. Must not know how a plan is made.

use std::collections::BTreeSet;
use std::fmt;

use crate::name::{AppName, DynoId, NodeId, Version};
use crate::protocol::Step;
use crate::time::Time;

/// What is to be done now, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be carried out in this order.
    pub steps: Vec<Step>,
    /// Plan again at this time, if nothing is heard before; or at `ObservedState::next_death`, if that is earlier.
    pub wake_at: Option<Time>,
    /// What stands in the way of the intent.
    pub notes: BTreeSet<PlanNote>,
}

/// Something that stands in the way of the intent, for an operator to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanNote {
    /// Known nodes have not said what they have: nothing is decided for a moment.
    Settling,
    /// Most nodes are silent at once: more likely it is our own ears. Nothing is moved away.
    MostNodesSilent,
    /// No node lives: nothing can start.
    NoNodes,
    /// This node is silent: its dynos are placed elsewhere.
    NodeSilent {
        /// The node.
        node: NodeId,
    },
    /// No node may take this dyno.
    NoRoom {
        /// The app.
        app: AppName,
        /// The place to be filled.
        dyno: DynoId,
        /// The release that it would run.
        version: Version,
    },
    /// This place waits after crashes.
    BackingOff {
        /// The app.
        app: AppName,
        /// The place to be filled.
        dyno: DynoId,
        /// Until when.
        until: Time,
    },
    /// Nodes have dynos of an app that the ledger does not know. They are left alone.
    UnknownApp {
        /// The app.
        app: AppName,
    },
}

impl PlanNote {
    /// The app whose owner wants to read it, if it is about one.
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
            PlanNote::NoRoom { dyno, version, .. } => {
                write!(f, "no node has room for {dyno} of {version}")
            }
            PlanNote::BackingOff { dyno, until, .. } => write!(f, "{dyno} waits until {until}"),
            PlanNote::UnknownApp { app } => {
                write!(f, "leaving dynos of the unknown app {app} alone")
            }
        }
    }
}

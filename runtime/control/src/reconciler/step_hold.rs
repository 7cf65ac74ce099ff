//! What has to wait until a fact is in the ledger.
//!
//! Owns which steps of a plan must not be taken before the facts that the plan records. Must not know
//! whether they are written.
//!
//! Nothing is taken away for a fact that is not written, and nothing starts on a node that is not. All else
//! goes on: a ledger that cannot be written must not keep a crashed dyno from being replaced, and routed to.

use grid::desired::Fact;
use grid::name::{AppName, NodeId};
use grid::protocol::{Step, StopReason};
use std::collections::BTreeSet;

/// The apps and nodes that a plan records facts about.
#[derive(Debug, Default)]
pub(super) struct StepHold {
    apps: BTreeSet<AppName>,
    nodes: BTreeSet<NodeId>,
}

impl StepHold {
    /// Has the steps wait that follow from this fact.
    pub(super) fn hold(&mut self, fact: &Fact) {
        if let Some(app) = fact.app() {
            self.apps.insert(app.clone());
        }
        // What runs on a node that the ledger does not know would be started twice by the next reconciler.
        if let Fact::NodeJoined { node } = fact {
            self.nodes.insert(node.clone());
        }
    }

    /// Whether a step has to wait.
    pub(super) fn holds(&self, step: &Step) -> bool {
        match step {
            Step::Fetch { node, .. } | Step::Start { node, .. } | Step::Run { node, .. } => {
                self.nodes.contains(node)
            }
            Step::Drain { dyno, .. } => self.apps.contains(&dyno.app),
            Step::Stop { dyno, reason, .. } => {
                *reason == StopReason::Unwanted && self.apps.contains(&dyno.app)
            }
            Step::Forget { app, .. } => self.apps.contains(app),
            Step::Publish { .. } | Step::Withdraw { .. } | Step::Record { .. } => false,
        }
    }
}

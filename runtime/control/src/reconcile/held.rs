//! What has to wait until a fact is in the ledger.
//!
//! Owns which steps of a plan follow from a fact that it records. Must not know whether it is written.
//!
//! Steps of other apps do not wait: a ledger that cannot be written must not keep a crashed dyno of another
//! app from being replaced.

use grid::desired::Fact;
use grid::name::{AppName, NodeId};
use grid::plan::Step;
use std::collections::BTreeSet;

/// The apps and nodes whose further steps in a plan have to wait.
#[derive(Debug, Default)]
pub(super) struct Held {
    apps: BTreeSet<AppName>,
    nodes: BTreeSet<NodeId>,
}

impl Held {
    /// Has the steps wait that follow from this fact.
    pub(super) fn hold(&mut self, fact: &Fact) {
        if let Some(app) = fact.app() {
            self.apps.insert(app.clone());
        }
        // A dyno on a node that the ledger does not know would be started twice by the next reconciler.
        if let Fact::NodeJoined { node } = fact {
            self.nodes.insert(node.clone());
        }
    }

    /// Whether a step has to wait; then those of its app behind it do as well.
    pub(super) fn holds(&mut self, step: &Step) -> bool {
        let (app, node) = (step.app(), node(step));
        let held = app.is_some_and(|app| self.apps.contains(app))
            || node.is_some_and(|node| self.nodes.contains(node));
        if let Some(app) = app.filter(|_| held) {
            self.apps.insert(app.clone());
        }
        held
    }
}

fn node(step: &Step) -> Option<&NodeId> {
    match step {
        Step::Fetch { node, .. }
        | Step::Start { node, .. }
        | Step::Drain { node, .. }
        | Step::Stop { node, .. }
        | Step::Forget { node, .. } => Some(node),
        Step::Publish { .. } | Step::Withdraw { .. } | Step::Record { .. } => None,
    }
}

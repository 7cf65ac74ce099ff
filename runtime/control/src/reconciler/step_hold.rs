//! The steps that must wait until a fact is in the ledger.
//!
//! Owns which steps of a plan depend on the facts that the same plan records. Must not know whether the facts are
//! written.
//!
//! No dyno is removed because of a fact that is not written, and nothing starts on a node that is not in the
//! ledger. All other steps continue: a ledger that cannot be written must not prevent that a crashed dyno is
//! replaced and gets requests again.

use grid::desired::Fact;
use grid::name::{AppName, NodeId};
use grid::protocol::{Step, StopReason};
use std::collections::BTreeSet;

/// The apps and nodes that a plan records facts about. Some of their steps must wait.
#[derive(Debug, Default)]
pub(super) struct StepHold {
    apps: BTreeSet<AppName>,
    nodes: BTreeSet<NodeId>,
}

impl StepHold {
    /// Adds a fact. The steps that depend on it must wait.
    pub(super) fn add_fact(&mut self, fact: &Fact) {
        if let Some(app) = fact.app() {
            self.apps.insert(app.clone());
        }
        // The next reconciler would not know of a node that is missing in the ledger, and would start its dynos a
        // second time.
        if let Fact::NodeJoined { node } = fact {
            self.nodes.insert(node.clone());
        }
    }

    /// Whether a step must wait for an unwritten fact.
    pub(super) fn must_wait(&self, step: &Step) -> bool {
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

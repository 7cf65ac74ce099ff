//! A reconciler that is cut off, with some nodes, from the ledger and from its successor.
//!
//! Owns what it goes on doing. Must not know the successor.

use std::collections::BTreeSet;
use std::time::Duration;

use grid::desired::{DesiredState, Fact};
use grid::name::{AppName, NodeId};
use grid::observed::ObservedState;
use grid::plan::make_plan;
use grid::protocol::{Report, Step, StopReason};
use grid::time::Time;

use crate::world::{Happening, World};

/// How long a server of the ledger that was cut off may go on answering reads. For this time, the former reconciler
/// believes that it is the only one, and renews leases.
const STALE_ANSWERS_MAX: Duration = Duration::from_secs(10);
/// Time between two plans of a reconciler that hears no news.
const PAUSE: Duration = Duration::from_secs(1);

/// A reconciler with a successor of which it does not know.
pub(crate) struct FormerReconciler {
    desired: DesiredState,
    observed: ObservedState,
    cut_off: Time,
}

impl FormerReconciler {
    /// Whether nodes that hear this reconciler may go on with what must not run twice.
    fn renews_leases(&self, now: Time) -> bool {
        now < self.cut_off + STALE_ANSWERS_MAX
    }
}

impl World {
    /// Cuts the reconciler off, with these nodes. Another one takes over on the other side.
    pub(crate) fn split(&mut self, nodes: &[NodeId]) -> Result<(), String> {
        self.join_sides();
        for id in nodes {
            if let Some(node) = self.nodes.get_mut(id) {
                node.cut = true;
                node.with_former = true;
            }
        }
        self.former = Some(FormerReconciler {
            desired: self.desired.clone(),
            observed: self.observed.clone(),
            cut_off: self.now,
        });
        self.at(self.now + PAUSE, Happening::FormerWakes);
        self.replace_reconciler()
    }

    /// Heals the cut: the former reconciler reads in the ledger that it has a successor, and ends.
    pub(crate) fn join_sides(&mut self) {
        self.former = None;
        let nodes = self.nodes.values_mut();
        let apart: Vec<NodeId> = nodes
            .filter(|node| node.with_former)
            .map(|node| {
                node.cut = false;
                node.with_former = false;
                node.id.clone()
            })
            .collect();
        for id in apart {
            self.send_inventory(&id);
        }
    }

    /// Whether a node hears a reconciler that may renew its leases.
    pub(crate) fn hears_leader(&self, id: &NodeId) -> bool {
        let Some(node) = self.nodes.get(id) else {
            return false;
        };
        let former = self.former.as_ref();
        let renewed = former.is_some_and(|former| former.renews_leases(self.now));
        node.reachable() || (node.alive && node.with_former && renewed)
    }

    /// The former reconciler gets a report.
    pub(crate) fn on_report_to_former(&mut self, report: &Report) -> Result<(), String> {
        let now = self.now;
        let Some(former) = &mut self.former else {
            return Ok(());
        };
        let news = former.observed.is_news(report, now);
        former.observed.apply_report(report, now);
        if news {
            return self.plan_as_former();
        }
        Ok(())
    }

    /// The former reconciler plans without news.
    pub(crate) fn wake_former(&mut self) -> Result<(), String> {
        if self.former.is_none() {
            return Ok(());
        }
        self.at(self.now + PAUSE, Happening::FormerWakes);
        self.plan_as_former()
    }

    /// Makes a plan. Its facts cannot be written, so that the steps which depend on them wait. Its routes reach no router
    /// of the other side.
    fn plan_as_former(&mut self) -> Result<(), String> {
        let (now, policy) = (self.now, self.policy);
        let Some(former) = &mut self.former else {
            return Ok(());
        };
        former.observed.forget_outdated(&former.desired);
        let plan = make_plan(&former.desired, &former.observed, &policy, now);
        let (mut apps, mut nodes) = (BTreeSet::new(), BTreeSet::new());
        let mut steps = Vec::new();
        for step in plan.steps {
            if let Step::Record { fact } = &step {
                apps.extend(fact.app().cloned());
                if let Fact::NodeJoined { node } = fact {
                    nodes.insert(node.clone());
                }
            } else if !must_wait(&step, &apps, &nodes) {
                former.observed.issue_step(&step, &former.desired, now);
                steps.push(step);
            }
        }
        for step in steps {
            self.carry_out_as_former(&step)?;
        }
        Ok(())
    }

    fn carry_out_as_former(&mut self, step: &Step) -> Result<(), String> {
        if let Step::Start { node, dyno, .. } | Step::Run { node, dyno, .. } = step {
            self.give_out_run(dyno, node)?;
        }
        let (Step::Fetch { node, .. }
        | Step::Start { node, .. }
        | Step::Run { node, .. }
        | Step::Drain { node, .. }
        | Step::Stop { node, .. }
        | Step::Forget { node, .. }) = step
        else {
            return Ok(());
        };
        let heard = self.nodes.get(node).filter(|node| node.with_former);
        let Some(incarnation) = heard.map(|node| node.incarnation) else {
            return Ok(());
        };
        self.take_step(node, incarnation, step)
    }
}

/// Whether a step must wait for a fact about one of these apps and nodes that is not written.
fn must_wait(step: &Step, apps: &BTreeSet<AppName>, nodes: &BTreeSet<NodeId>) -> bool {
    match step {
        Step::Fetch { node, .. } | Step::Start { node, .. } | Step::Run { node, .. } => {
            nodes.contains(node)
        }
        Step::Stop { dyno, reason, .. } => {
            *reason == StopReason::Unwanted && apps.contains(&dyno.app)
        }
        Step::Drain { dyno, .. } => apps.contains(&dyno.app),
        Step::Forget { app, .. } => apps.contains(app),
        Step::Publish { .. } | Step::Withdraw { .. } | Step::Record { .. } => false,
    }
}

//! What would happen if something was asked for.
//!
//! Owns the assumption that every step succeeds. Must not know how a plan is made.

use super::{Plan, Policy, plan};
use crate::desired::{Desired, Fact, Misfit};
use crate::lifecycle::State;
use crate::name::{AppName, NodeId};
use crate::observed::{Fetch, Observed};
use crate::protocol::{Exit, Report, Step};
use crate::time::Time;
use std::collections::BTreeSet;

/// Plans of a preview at most; a deploy takes five.
const PLANS_MAX: usize = 64;

/// The steps that follow for the apps of these facts, in order, if every step succeeds at once.
/// `Step::Record` is left out. Changes nothing; a fact that does not fit is an error.
pub fn preview(
    desired: &Desired,
    observed: &Observed,
    policy: &Policy,
    facts: &[Fact],
    now: Time,
) -> Result<Vec<Step>, Misfit> {
    let (mut desired, mut observed) = (desired.clone(), observed.clone());
    for fact in facts {
        desired.apply(fact)?;
    }
    let apps: BTreeSet<&AppName> = facts.iter().filter_map(Fact::app).collect();
    let mut steps = Vec::new();
    for _ in 0..PLANS_MAX {
        let answered = answer(&mut observed, &apps, now);
        let Plan { steps: chosen, .. } = plan(&desired, &observed, policy, now);
        if chosen.is_empty() && !answered {
            break;
        }
        for step in chosen {
            match &step {
                Step::Record { fact } => desired.apply(fact)?,
                step => drop(observed.issue(step, &desired, now)),
            }
            if step.app().is_some_and(|app| apps.contains(app)) {
                steps.push(step);
            }
        }
    }
    steps.retain(|step| !matches!(step, Step::Record { .. }));
    Ok(steps)
}

/// The nodes answer whatever was asked of them for these apps. Says whether there was anything to answer.
fn answer(observed: &mut Observed, apps: &BTreeSet<&AppName>, now: Time) -> bool {
    let nodes = observed.nodes.iter();
    let asked = nodes.flat_map(|(id, node)| {
        let asked = node.releases.iter();
        let asked = asked.filter(|(release, fetch)| {
            matches!(fetch, Fetch::Asked(_)) && apps.contains(&release.0)
        });
        asked.map(|((app, version), _)| fetched(id, app, *version))
    });
    let ended = |state: State| matches!(state, State::Draining | State::Crashed | State::Down);
    let dynos = apps.iter().flat_map(|app| observed.dynos_of(app));
    let answered = dynos.filter_map(|(key, dyno)| {
        let (node, key) = (dyno.node.clone(), key.clone());
        match dyno.state {
            State::Up if key.dyno.process.is_release() => Some(Report::Exited {
                node,
                dyno: key,
                exit: Exit::Code(0),
            }),
            State::Starting => Some(Report::Up { node, dyno: key }),
            state if ended(state) => Some(Report::Down { node, dyno: key }),
            _ => None,
        }
    });
    let reports: Vec<Report> = asked.chain(answered).collect();
    for report in &reports {
        observed.apply(report, now);
    }
    !reports.is_empty()
}

fn fetched(node: &NodeId, app: &AppName, version: crate::name::Version) -> Report {
    Report::Fetched {
        node: node.clone(),
        app: app.clone(),
        version,
        result: Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! A preview: the steps that would follow from new facts.
//!
//! Owns the assumption that every step succeeds. Must not know how a plan is made.

use std::collections::BTreeSet;

use super::{Plan, Policy, make_plan};
use crate::desired::{DesiredState, Fact, FactError};
use crate::lifecycle::DynoState;
use crate::name::{AppName, NodeId, ReleaseId};
use crate::observed::{FetchState, ObservedState};
use crate::protocol::{ProcessExit, Report, Step};
use crate::time::Time;

/// The most plans of a preview. A deploy takes five.
const PLANS_MAX: usize = 64;

/// The steps that follow for the apps of these facts, in order, if every step succeeds at once. `Step::Record` is left
/// out. Nothing is changed.
///
/// # Errors
/// The first fact that does not follow from the ones before it.
pub fn preview_steps(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    facts: &[Fact],
    now: Time,
) -> Result<Vec<Step>, FactError> {
    let (mut desired, mut observed) = (desired.clone(), observed.clone());
    for fact in facts {
        desired.apply_fact(fact)?;
    }
    let apps: BTreeSet<&AppName> = facts.iter().filter_map(Fact::app).collect();
    let mut steps = Vec::new();
    for _ in 0..PLANS_MAX {
        let answered = apply_answers(&mut observed, &apps, now);
        let Plan { steps: chosen, .. } = make_plan(&desired, &observed, policy, now);
        if chosen.is_empty() && !answered {
            break;
        }
        for step in chosen {
            match &step {
                Step::Record { fact } => desired.apply_fact(fact)?,
                step => drop(observed.issue_step(step, &desired, now)),
            }
            if step.app().is_some_and(|app| apps.contains(app)) {
                steps.push(step);
            }
        }
    }
    steps.retain(|step| !matches!(step, Step::Record { .. }));
    Ok(steps)
}

/// Applies a successful report for every step in progress of these apps. Returns whether there was any.
fn apply_answers(observed: &mut ObservedState, apps: &BTreeSet<&AppName>, now: Time) -> bool {
    let nodes = observed.nodes.iter();
    let asked = nodes.flat_map(|(id, node)| {
        let asked = node.releases.iter();
        let asked = asked.filter(|(release, fetch)| {
            matches!(fetch, FetchState::Requested(_)) && apps.contains(&release.0)
        });
        asked.map(|((app, release), _)| fetched_report(id, app, *release))
    });
    let ended = |state: DynoState| {
        matches!(
            state,
            DynoState::Draining | DynoState::Crashed | DynoState::Down
        )
    };
    let dynos = apps.iter().flat_map(|app| observed.dynos_of(app));
    let answered = dynos.filter_map(|(key, dyno)| {
        let (node, key) = (dyno.node.clone(), key.clone());
        match dyno.state {
            DynoState::Up if key.dyno.process.is_release() => Some(Report::Exited {
                node,
                dyno: key,
                exit: ProcessExit::Code(0),
            }),
            DynoState::Starting => Some(Report::Up { node, dyno: key }),
            state if ended(state) => Some(Report::Down { node, dyno: key }),
            _ => None,
        }
    });
    let reports: Vec<Report> = asked.chain(answered).collect();
    for report in &reports {
        observed.apply_report(report, now);
    }
    !reports.is_empty()
}

fn fetched_report(node: &NodeId, app: &AppName, release: ReleaseId) -> Report {
    Report::Fetched {
        node: node.clone(),
        app: app.clone(),
        release,
        result: Ok(()),
    }
}

#[cfg(test)]
mod tests;

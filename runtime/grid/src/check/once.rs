//! Invariants of dynos that run once: 12, 13 and 14.
//!
//! Owns what must hold of a `Run`, of a `Start` after it, and of the end of either kind of one-off. Must not know
//! why a step was chosen.

use std::sync::Arc;

use super::{Findings, Invariant, PlanCase};
use crate::desired::{App, DesiredState};
use crate::name::{DynoKey, ReleaseId};
use crate::observed::{Node, ObservedState};
use crate::plan::ONCE_LOST_AFTER;
use crate::protocol::{Step, StopReason};

pub(super) fn check_step(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    desired: &DesiredState,
    observed: &ObservedState,
    step: &Step,
) {
    let app = |key: &DynoKey| desired.apps.get(&key.app).map(Arc::as_ref);
    match step {
        Step::Start { dyno, release, .. } => {
            if let Some(app) = app(dyno) {
                check_prepared(findings, app, dyno, *release);
            }
        }
        Step::Run { dyno, release, .. } => {
            one_at_a_time(findings, case, observed, dyno);
            let due = app(dyno).is_some_and(|app| is_due(app, *release));
            if !due || !dyno.dyno.process.is_release() {
                let what = format!("{dyno} of {release} has nothing to run, or has run");
                findings.add(Invariant::OneAtATime, what);
            }
        }
        Step::Drain { dyno, .. } => own_end(findings, app(dyno), observed, dyno),
        Step::Stop { dyno, reason, .. } => {
            // The time limit for its start, or for its run, is over.
            let overdue = matches!(reason, StopReason::BootTimeout | StopReason::TimeLimit);
            if !overdue {
                own_end(findings, app(dyno), observed, dyno);
            }
        }
        _ => {}
    }
}

/// Whether a release has a release process whose end is not in the ledger.
fn is_due(app: &App, release: ReleaseId) -> bool {
    let contents = app.release(release);
    let has = contents.is_some_and(|contents| contents.release_process().is_some());
    has && !app.release_process_has_ended(release.version)
}

fn check_prepared(findings: &mut Findings, app: &App, key: &DynoKey, release: ReleaseId) {
    let version = release.version;
    let served = app.serving == Some(version);
    let failed = app.release_process_has_ended(version) && app.failed.contains_key(&version);
    // A release that fails later on may be tried again; one whose release process failed is no target.
    let target = app
        .target_release()
        .is_some_and(|target| target.version == version);
    if !served && (is_due(app, release) || (failed && !target)) {
        let what = format!("{key} of {release} starts before its release process has succeeded");
        findings.add(Invariant::Prepared, what);
    }
}

fn one_at_a_time(
    findings: &mut Findings,
    case: &PlanCase<'_>,
    observed: &ObservedState,
    key: &DynoKey,
) {
    let mut others = observed.dynos_of(&key.app).filter(|(other, dyno)| {
        let node = observed.nodes.get(&dyno.node);
        // Until then its lease may not be over.
        let lost =
            |node: &Node| node.is_silent(case.now) && case.now >= node.heard + ONCE_LOST_AFTER;
        let leased = node.is_some_and(|node| !lost(node));
        **other != *key
            && other.dyno.process.is_release()
            && (leased || super::dynos::are_most_nodes_silent(case))
    });
    if let Some((other, _)) = others.next() {
        findings.add(
            Invariant::OneAtATime,
            format!("{key} runs while {other} does"),
        );
    }
}

fn own_end(findings: &mut Findings, app: Option<&App>, observed: &ObservedState, key: &DynoKey) {
    let (Some(app), Some(dyno)) = (app, observed.dynos.get(key)) else {
        return;
    };
    let process = &key.dyno.process;
    let mut runs = observed.dynos_in(&key.app, &key.dyno);
    let superseded = runs.any(|(later, _)| later.run > key.run);
    let awaited =
        process.is_run() || (process.is_release() && is_due(app, dyno.release) && !superseded);
    if awaited && dyno.state.is_alive() && key.run >= app.first_run {
        findings.add(
            Invariant::OwnEnd,
            format!("{key} is ended, and nobody asked for it"),
        );
    }
}

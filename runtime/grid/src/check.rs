//! The invariants of the grid, as a function that returns violations.
//!
//! Owns what must hold of a plan, given what was known, and of requests. Must not know how planner and line decide: the
//! checks use nothing of them.

mod dynos;
mod once;
mod requests;
mod routes;

pub use requests::{RequestAudit, RequestNumber};

use std::fmt;

use crate::desired::DesiredState;
use crate::observed::ObservedState;
use crate::plan::{Plan, Policy, make_plan, plan_every_app};
use crate::protocol::Step;
use crate::time::Time;

/// A rule that always holds: 1 to 14 of every plan, 15 to 18 of the requests of an app. The numbers are those in
/// ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// 1: a published table names only dynos that are up.
    OnlyUp = 1,
    /// 2: one release an app a table.
    OneRelease = 2,
    /// 3: no capacity gap during a swap.
    NoGap = 3,
    /// 4: no node over capacity.
    Capacity = 4,
    /// 5: two dynos of one process type sit on two nodes whenever two nodes live.
    Apart = 5,
    /// 6: a draining dyno gets nothing new and stops by its deadline.
    Drain = 6,
    /// 7: generations only rise.
    Generations = 7,
    /// 8: applying a plan in full gives an empty next plan.
    Settles = 8,
    /// 9: no start before back-off ends, and no back-off for what a request did.
    BackOff = 9,
    /// 10: same inputs, same plan.
    Same = 10,
    /// 11: missing data never unschedules anything.
    MissingData = 11,
    /// 12: no dyno of a release with a release process starts before that process has succeeded.
    Prepared = 12,
    /// 13: an app's release processes run one at a time, and none runs again after its end.
    OneAtATime = 13,
    /// 14: a dyno that runs once is left to end by itself.
    OwnEnd = 14,
    /// 15: no request waits while a dyno of its app is free.
    NoNeedlessWait = 15,
    /// 16: a dyno has one request at a time.
    OneRequestADyno = 16,
    /// 17: requests get dynos in order of arrival.
    ArrivalOrder = 17,
    /// 18: a request is answered once.
    OneAnswer = 18,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Invariant; 18] = [
        Invariant::OnlyUp,
        Invariant::OneRelease,
        Invariant::NoGap,
        Invariant::Capacity,
        Invariant::Apart,
        Invariant::Drain,
        Invariant::Generations,
        Invariant::Settles,
        Invariant::BackOff,
        Invariant::Same,
        Invariant::MissingData,
        Invariant::Prepared,
        Invariant::OneAtATime,
        Invariant::OwnEnd,
        Invariant::NoNeedlessWait,
        Invariant::OneRequestADyno,
        Invariant::ArrivalOrder,
        Invariant::OneAnswer,
    ];
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: Invariant,
    /// The violation, for people.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invariant {} ({:?}): {}",
            self.invariant as u8, self.invariant, self.what
        )
    }
}

/// A plan and what it was made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanCase<'a> {
    /// Intent.
    pub desired: &'a DesiredState,
    /// The observed state before the plan.
    pub observed: &'a ObservedState,
    /// When the plan was made.
    pub now: Time,
    /// The plan.
    pub plan: &'a Plan,
}

/// The observed state after a plan was carried out in full.
#[derive(Clone, Debug)]
pub struct PlanOutcome {
    /// Intent, with the facts that the plan records.
    pub desired: DesiredState,
    /// The observed state, with every step noted as issued.
    pub observed: ObservedState,
}

/// Collects violations.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, invariant: Invariant, what: impl Into<String>) {
        self.0.push(Violation {
            invariant,
            what: what.into(),
        });
    }
}

impl PlanCase<'_> {
    /// The observed state after the first `steps` steps.
    fn after(&self, steps: usize) -> PlanOutcome {
        let (mut desired, mut observed) = (self.desired.clone(), self.observed.clone());
        for step in &self.plan.steps[..steps] {
            apply_step(&mut desired, &mut observed, step, self.now);
        }
        PlanOutcome { desired, observed }
    }
}

fn apply_step(desired: &mut DesiredState, observed: &mut ObservedState, step: &Step, now: Time) {
    match step {
        // A fact that does not fit shows up as a plan that does not settle.
        Step::Record { fact } => drop(desired.apply_fact(fact)),
        step => drop(observed.issue_step(step, desired, now)),
    }
}

/// The violations of one plan: all invariants but 8 and 10.
pub fn find_violations(case: &PlanCase<'_>) -> Vec<Violation> {
    let mut findings = Findings::default();
    let PlanOutcome {
        mut desired,
        mut observed,
    } = case.after(0);
    for step in &case.plan.steps {
        routes::check_step(&mut findings, case, &desired, &observed, step);
        dynos::check_step(&mut findings, case, &desired, &observed, step);
        once::check_step(&mut findings, case, &desired, &observed, step);
        apply_step(&mut desired, &mut observed, step, case.now);
    }
    let after = PlanOutcome { desired, observed };
    routes::check_end(&mut findings, case, &after);
    dynos::check_end(&mut findings, case, &after);
    findings.0
}

/// The violations of what two plans show: `again` of the same inputs (10), and `next` of what is known
/// after the first was carried out in full (8).
pub fn compare_plans(plan: &Plan, again: &Plan, next: &Plan) -> Vec<Violation> {
    let mut findings = Findings::default();
    if plan != again {
        findings.add(Invariant::Same, format!("{plan:?} and then {again:?}"));
    }
    if !next.steps.is_empty() {
        findings.add(
            Invariant::Settles,
            format!("after {:?}: {:?}", plan.steps, next.steps),
        );
    }
    findings.0
}

/// How much of a plan is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDepth {
    /// Every invariant.
    All,
    /// All but invariant 10, which takes a second plan of the same inputs. For long runs, which check that now and
    /// then.
    OnePlan,
}

/// Makes a plan, and checks its invariants.
pub fn checked_plan(
    desired: &DesiredState,
    observed: &ObservedState,
    policy: &Policy,
    now: Time,
    depth: CheckDepth,
) -> (Plan, Vec<Violation>) {
    let made = make_plan(desired, observed, policy, now);
    let case = PlanCase {
        desired,
        observed,
        now,
        plan: &made,
    };
    let mut found = find_violations(&case);
    let again = match depth {
        CheckDepth::All => plan_every_app(desired, observed, policy, now),
        CheckDepth::OnePlan => made.clone(),
    };
    // A plan without steps changes nothing, so the next plan is the same again.
    let next = if made.steps.is_empty() {
        again.clone()
    } else {
        let after = case.after(made.steps.len());
        make_plan(&after.desired, &after.observed, policy, now)
    };
    found.extend(compare_plans(&made, &again, &next));
    (made, found)
}

#[cfg(test)]
mod tests;

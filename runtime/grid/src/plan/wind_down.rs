//! The shutdown of a server: every dyno is drained.
//!
//! Owns the steps of a shutdown. Must not know the desired state: after a restart the apps run as before.

use super::{Plan, STOP_RETRY};
use crate::lifecycle::DynoState;
use crate::observed::ObservedState;
use crate::protocol::{Refusal, Route, RouteTarget, Step, StopReason};
use crate::time::Time;

/// The plan for `now` to end every dyno by `deadline`. The shutdown is over when no dyno is observed any more.
///
/// Requests that still wait are refused with H24. To have them answered, a caller first stops accepting requests and
/// waits for the queue to empty.
pub fn plan_shutdown(observed: &ObservedState, deadline: Time, now: Time) -> Plan {
    let mut plan = Plan::default();
    let mut generation = observed.next_generation;
    for route in observed
        .routes
        .values()
        .filter(|route| matches!(route.target, RouteTarget::Dynos(_)))
    {
        let serve = RouteTarget::Refuse(Refusal::ForcedClose);
        plan.steps.push(Step::Publish {
            route: Route {
                generation,
                target: serve,
                ..route.clone()
            },
        });
        generation.0 += 1;
    }
    let mut wake_at: Option<Time> = None;
    let reachable = observed.dynos.iter().filter(|(_, dyno)| {
        observed
            .nodes
            .get(&dyno.node)
            .is_some_and(|node| !node.is_silent(now))
    });
    for (key, dyno) in reachable {
        let (node, key, release) = (dyno.node.clone(), key.clone(), dyno.release);
        let stop = |reason| Step::Stop {
            node: node.clone(),
            dyno: key.clone(),
            release,
            reason,
        };
        let due = dyno.stopped.map(|at| at + STOP_RETRY).unwrap_or(deadline);
        let (step, look_again) = match dyno.state {
            DynoState::Starting => (Some(stop(StopReason::Unwanted)), now + STOP_RETRY),
            DynoState::Up | DynoState::Idle => (
                Some(Step::Drain {
                    node: node.clone(),
                    dyno: key.clone(),
                    release,
                    grace: deadline.since(now),
                }),
                deadline,
            ),
            _ if due <= now => (Some(stop(StopReason::DrainTimeout)), now + STOP_RETRY),
            _ => (None, due),
        };
        plan.steps.extend(step);
        wake_at = Some(wake_at.map_or(look_again, |earlier| earlier.min(look_again)));
    }
    plan.wake_at = wake_at.filter(|at| *at > now);
    plan
}

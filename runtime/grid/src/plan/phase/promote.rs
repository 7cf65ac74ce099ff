//! When a new release serves, and when it has failed.
//!
//! Owns the judgement on a release. Must not know how its dynos are started or ended.

use super::place::{self, Place};
use super::publish;
use crate::backoff::CrashHistory;
use crate::desired::{App, Fact, ProcessKind, Release};
use crate::name::{AppName, DynoId, ProcessType};
use crate::observed::{FetchState, FormationSlot};
use crate::plan::draft::Draft;
use crate::protocol::{CrashCause, Step};

/// Records that a release failed, if one of its dynos crashed or its slug cannot be had before it served.
pub(in crate::plan) fn fail_release(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name) else {
        return;
    };
    let Some(target) = app.target_release() else {
        return;
    };
    let version = target.version;
    if app.serving == Some(version) || app.failed.contains_key(&version) {
        return;
    }
    if let Some(reason) = find_failure(draft, app, target) {
        let fact = Fact::ReleaseFailed {
            app: name.clone(),
            version,
            reason,
        };
        draft.push_step(Step::Record { fact });
    }
}

fn find_failure(draft: &Draft, app: &App, release: &Release) -> Option<String> {
    let fetched = draft.observed.nodes.values().find_map(|node| {
        match node
            .releases
            .get(&(app.name.clone(), app.release_id(release.version)))
        {
            Some(FetchState::Failed { reason, .. }) => Some(reason.clone()),
            _ => None,
        }
    });
    fetched.or_else(|| {
        app.places_of_release(release).into_iter().find_map(|dyno| {
            let slot = FormationSlot {
                app: app.name.clone(),
                dyno,
                release: app.release_id(release.version),
            };
            let history = draft.observed.crashes.get(&slot)?;
            if has_run(release, &slot.dyno, history.cause) {
                return None;
            }
            Some(failure_reason(release, &slot.dyno, history))
        })
    })
}

/// The reason of a failed release, for the app's owner. It begins with the name of the dyno that ended.
fn failure_reason(release: &Release, dyno: &DynoId, history: &CrashHistory) -> String {
    match history.cause {
        CrashCause::BootTimeout => {
            let spec = release.processes.get(&dyno.process);
            let secs = spec.map_or(0, |spec| spec.limits.boot_timeout.as_secs());
            let what = match spec.map(|spec| spec.kind) {
                Some(ProcessKind::Server) => "did not listen on $PORT",
                _ => "was not ready",
            };
            format!("{dyno} {what} within {secs} seconds")
        }
        CrashCause::Boot => format!("{dyno} did not start: {}", history.reason),
        _ => format!("{dyno} crashed: {}", history.reason),
    }
}

/// Whether a crash is the end of a process that had begun to run. Such a process takes no requests, so its end does not
/// show that the release cannot serve: a worker may end because its queue is missing. Back-off handles it.
fn has_run(release: &Release, dyno: &DynoId, cause: CrashCause) -> bool {
    let spec = release.processes.get(&dyno.process);
    let process = spec.is_some_and(|spec| spec.kind == ProcessKind::Process);
    process && !matches!(cause, CrashCause::Boot | CrashCause::BootTimeout)
}

/// Publishes the target once it is ready. This is the swap; the old dynos are drained after it.
pub(in crate::plan) fn publish_target(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    let Some(target) = app.target_release() else {
        return;
    };
    let version = target.version;
    if app.serving == Some(version) || app.is_unprepared(target) || !is_ready(draft, &app, target) {
        return;
    }
    publish::publish_version(draft, &app, Some(version));
    draft.push_step(Step::Record {
        fact: Fact::ReleaseServing {
            app: name.clone(),
            version,
        },
    });
}

/// Records that old releases are pruned, where there are more than the operator keeps.
pub(in crate::plan) fn prune_releases(draft: &mut Draft, name: &AppName) {
    let app = draft.desired.apps.get(name);
    let Some(before) = app.and_then(|app| app.first_kept_version(draft.policy.releases_kept))
    else {
        return;
    };
    let app = name.clone();
    draft.push_step(Step::Record {
        fact: Fact::ReleasesPruned { app, before },
    });
}

/// Whether the release can take over with no less capacity than the release before it.
fn is_ready(draft: &Draft, app: &App, release: &Release) -> bool {
    let web = ProcessType::web();
    let web_up = place::find_serving_dynos(draft, app, release.version, &web).len();
    let web_wanted = if release.processes.contains_key(&web) {
        app.count_open_places(&web)
    } else {
        0
    };
    // A failed release is tried again if no other serves: every dyno that comes up helps.
    if app.failed.contains_key(&release.version) && web_wanted > 0 {
        return web_up > 0;
    }
    let mut all_up = true;
    let mut all_up_or_no_room = true;
    for id in app.places_of_release(release) {
        let place = Place::from_draft(draft, app, release.version, &id);
        let slot = FormationSlot {
            app: app.name.clone(),
            dyno: id.clone(),
            release: app.release_id(release.version),
        };
        let history = draft.observed.crashes.get(&slot);
        let up = place.serving_dyno().is_some()
            || history.is_some_and(|history| has_run(release, &id, history.cause));
        let no_room =
            draft
                .no_room
                .contains(&(app.name.clone(), id, app.release_id(release.version)));
        all_up &= up;
        all_up_or_no_room &= up || (no_room && place.coming.is_none());
    }
    if all_up {
        return true;
    }
    let web_before = app.serving.map_or(0, |old| {
        place::find_serving_dynos(draft, app, old, &web).len()
    });
    all_up_or_no_room
        && draft.victims.is_empty()
        && !draft.room_is_coming()
        && web_up >= web_before
        && (web_up > 0 || web_wanted == 0)
}

#[cfg(test)]
mod tests {
    use crate::desired::{Fact, ProcessKind, ProcessSpec, Release};
    use crate::name::{DynoKey, ProcessType, SlugId, Version};
    use crate::plan::tests::world::{NOW, World, app, created};
    use crate::protocol::{CrashCause, Report, Step};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// One `web` and one `worker`, both starting.
    fn starting() -> World {
        let worker: ProcessType = "worker".parse().expect("valid");
        let of = |kind| ProcessSpec {
            kind,
            limits: Arc::default(),
        };
        let release = Release {
            version: Version::FIRST,
            slug: SlugId::new([1; 32]),
            description: "Deploy".into(),
            config: Arc::default(),
            processes: BTreeMap::from([
                (ProcessType::web(), of(ProcessKind::Handler)),
                (worker.clone(), of(ProcessKind::Process)),
            ]),
            created_ms: 0,
            created_by: String::new(),
            reach: Arc::default(),
        };
        let scaled = |process: &ProcessType| Fact::Scaled {
            app: app("hello"),
            process: process.clone(),
            count: 1,
            before: crate::name::Run(0),
        };
        let mut world = World::after(&[
            created("hello"),
            Fact::ReleaseCreated {
                app: app("hello"),
                release: Arc::new(release),
            },
            scaled(&ProcessType::web()),
            scaled(&worker),
        ]);
        assert!(world.answer_one(), "the slug is fetched");
        world.carry_out();
        world
    }

    fn dyno(world: &World, process: &str) -> DynoKey {
        let mut dynos = world.observed.dynos.keys();
        let found = dynos.find(|key| key.dyno.process.as_str() == process);
        found.expect("it was started").clone()
    }

    fn hear(world: &mut World, report: &Report) -> Vec<Step> {
        world.observed.apply_report(report, NOW);
        world.carry_out()
    }

    fn crashed(dyno: DynoKey, cause: CrashCause) -> Report {
        Report::Crashed {
            node: "n1".parse().expect("valid"),
            dyno,
            reason: "exited with code 1".into(),
            cause,
            served: false,
            in_request: false,
        }
    }

    fn recorded(steps: &[Step], wanted: fn(&Fact) -> bool) -> bool {
        let mut steps = steps.iter();
        steps.any(|step| matches!(step, Step::Record { fact } if wanted(fact)))
    }

    #[test]
    fn a_worker_that_ends_does_not_fail_its_release() {
        let mut world = starting();
        let (web, worker) = (dyno(&world, "web"), dyno(&world, "worker"));
        let steps = hear(&mut world, &crashed(worker, CrashCause::Exit));
        assert!(!recorded(&steps, |fact| matches!(
            fact,
            Fact::ReleaseFailed { .. }
        )));
        let node = "n1".parse().expect("valid");
        let steps = hear(&mut world, &Report::Up { node, dyno: web });
        assert!(recorded(&steps, |fact| matches!(
            fact,
            Fact::ReleaseServing { .. }
        )));
    }

    #[test]
    fn a_worker_that_cannot_start_fails_its_release() {
        let mut world = starting();
        let worker = dyno(&world, "worker");
        let steps = hear(&mut world, &crashed(worker, CrashCause::Boot));
        assert!(recorded(&steps, |fact| matches!(
            fact,
            Fact::ReleaseFailed { .. }
        )));
    }

    #[test]
    fn a_web_dyno_that_ends_fails_its_release() {
        let mut world = starting();
        let web = dyno(&world, "web");
        let steps = hear(&mut world, &crashed(web, CrashCause::Exit));
        assert!(recorded(&steps, |fact| matches!(
            fact,
            Fact::ReleaseFailed { .. }
        )));
    }
}

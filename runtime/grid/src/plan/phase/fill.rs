//! Filling the places of a formation: fetch, then start.
//!
//! Owns which dynos are started, and where. Must not know when they get requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::place::{self, Place};
use crate::desired::{App, ProcessKind, Release};
use crate::lifecycle::DynoState;
use crate::name::{AppName, DynoId, DynoKey, NodeId, ProcessType};
use crate::observed::FetchState;
use crate::placement;
use crate::plan::draft::{Draft, ReservedPlace};
use crate::plan::{FETCH_RETRY, PlanNote};
use crate::protocol::{RouteTarget, Step};

/// Starts the missing dynos of the releases that should run.
pub(in crate::plan) fn fill_places(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    // A release with a release process starts no dyno before that process has succeeded.
    let mut wanted = app.wanted_releases();
    wanted.retain(|release| !app.is_unprepared(release));
    for release in &wanted {
        for process in release.processes.keys() {
            let mut homes = Homes::from_draft(draft, &app, release, process, None);
            for id in homes.missing_places(&app, process) {
                start_dyno(draft, &app, release, &id, &mut homes);
            }
        }
    }
    for release in &wanted {
        for process in release.processes.keys() {
            spread_dynos(draft, &app, release, process);
        }
    }
}

/// The nodes of the dynos of one release and process type that will stay or are to start.
#[derive(Default)]
pub(in crate::plan) struct Homes {
    filled: BTreeSet<u32>,
    counts: BTreeMap<NodeId, u32>,
}

impl Homes {
    /// The homes of all places, except the place `without`.
    pub(in crate::plan) fn from_draft(
        draft: &Draft,
        app: &App,
        release: &Release,
        process: &ProcessType,
        without: Option<u32>,
    ) -> Self {
        let mut homes = Homes::default();
        for id in app.open_places(process) {
            if Some(id.index) == without {
                continue;
            }
            let place = Place::from_draft(draft, app, release.version, &id);
            let keeper = place
                .staying_dyno()
                .and_then(|key| draft.observed.dynos.get(key));
            if let Some(keeper) = keeper {
                homes.add(id.index, &keeper.node);
            }
        }
        let mine = draft.reserved.get(&app.name).into_iter().flatten();
        let mine = mine.filter(|reserved| {
            reserved.release == app.release_id(release.version)
                && reserved.dyno.process == *process
                && Some(reserved.dyno.index) != without
        });
        for reserved in mine {
            homes.add(reserved.dyno.index, &reserved.node);
        }
        homes
    }

    fn add(&mut self, index: u32, node: &NodeId) {
        if self.filled.insert(index) {
            *self.counts.entry(node.clone()).or_default() += 1;
        }
    }

    /// The places without a dyno.
    fn missing_places(&self, app: &App, process: &ProcessType) -> Vec<DynoId> {
        let places = app.open_places(process);
        places
            .filter(|id| !self.filled.contains(&id.index))
            .collect()
    }
}

fn start_dyno(
    draft: &mut Draft,
    app: &App,
    release: &Arc<Release>,
    id: &DynoId,
    homes: &mut Homes,
) {
    if let Some(until) = place::not_before(draft, app, release.version, id) {
        draft.wake_by(until);
        let (app, dyno) = (app.name.clone(), id.clone());
        draft
            .notes
            .insert(PlanNote::BackingOff { app, dyno, until });
        return;
    }
    if draft.live.is_empty() {
        draft.notes.insert(PlanNote::NoNodes);
        return;
    }
    if let Some(node) = choose_home(draft, app, release, id, (homes, None)) {
        homes.add(id.index, &node);
        start_on(draft, app, release, id, node);
        return;
    }
    let (name, dyno) = (app.name.clone(), id.clone());
    let release_id = app.release_id(release.version);
    draft
        .no_room
        .insert((name.clone(), dyno.clone(), release_id));
    draft.notes.insert(PlanNote::NoRoom {
        app: name,
        dyno,
        release: release_id,
    });
    make_room(draft, app, release, id, homes);
}

/// The node for a dyno whose siblings are at `homes`, as if `without` had ended already.
pub(in crate::plan) fn choose_home(
    draft: &Draft,
    app: &App,
    release: &Release,
    id: &DynoId,
    (homes, without): (&Homes, Option<&DynoKey>),
) -> Option<NodeId> {
    let spec = release.processes.get(&id.process)?;
    let candidates = draft.list_candidates(
        &(app.name.clone(), app.release_id(release.version)),
        without,
    );
    placement::choose_node(&candidates, &homes.counts, spec.limits.memory_bytes)
}

/// Starts the dyno, or has the node fetch the slug first.
pub(in crate::plan) fn start_on(
    draft: &mut Draft,
    app: &App,
    release: &Arc<Release>,
    id: &DynoId,
    node: NodeId,
) {
    let release_id = app.release_id(release.version);
    let release_key = (app.name.clone(), release_id);
    let known = draft
        .observed
        .nodes
        .get(&node)
        .and_then(|node| node.releases.get(&release_key));
    let asked_at = match known {
        Some(FetchState::Ready) => {
            let dyno = DynoKey {
                app: app.name.clone(),
                dyno: id.clone(),
                run: draft.next_run(),
            };
            draft.push_step(make_start(draft, app, release, node, dyno));
            return;
        }
        Some(FetchState::Requested(at) | FetchState::Failed { at, .. }) => Some(*at),
        None => None,
    };
    let memory_bytes = release
        .processes
        .get(&id.process)
        .map_or(0, |s| s.limits.memory_bytes);
    draft.take_room(&node, memory_bytes);
    let reserved = draft.reserved.entry(app.name.clone()).or_default();
    reserved.push(ReservedPlace {
        dyno: id.clone(),
        release: release_id,
        node: node.clone(),
    });
    match asked_at.map(|at| at + FETCH_RETRY) {
        Some(retry_at) if retry_at > draft.now => draft.wake_by(retry_at),
        _ => {
            draft.wake_by(draft.now + FETCH_RETRY);
            let contents = Arc::clone(release);
            draft.push_step(Step::Fetch {
                node,
                app: app.name.clone(),
                release: release_id,
                contents,
            });
        }
    }
}

/// The step that starts a dyno of the formation, or runs a release process.
pub(in crate::plan) fn make_start(
    draft: &Draft,
    app: &App,
    release: &Release,
    node: NodeId,
    dyno: DynoKey,
) -> Step {
    let release_id = app.release_id(release.version);
    if dyno.dyno.process.is_release() {
        return Step::Run {
            node,
            dyno,
            release: release_id,
        };
    }
    let asleep = may_sleep(draft, app, release, &dyno.dyno.process);
    Step::Start {
        node,
        dyno,
        release: release_id,
        asleep,
    }
}

/// Whether a dyno of this release may start asleep and boot with its first request. After a restart of the whole
/// platform, thousands of apps that served before then do not boot at once.
///
/// Once the routers know a dyno of the app, or one has crashed, a new dyno has a reason to boot at once.
fn may_sleep(draft: &Draft, app: &App, release: &Release, process: &ProcessType) -> bool {
    let idle_after = app.settings.idle_after.or_default(draft.policy.idle_after);
    let handler = release
        .web_process()
        .is_some_and(|web| web.kind == ProcessKind::Handler);
    let route = draft.observed.routes.get(&app.name);
    let untouched = route.is_none_or(|route| route.target == RouteTarget::Booting);
    let mut crashes = draft.observed.crashes.keys();
    idle_after.is_some()
        && process.is_web()
        && handler
        && app.serving == Some(release.version)
        && untouched
        && !crashes.any(|slot| slot.app == app.name)
}

/// If no node has room, a replacement can only start in the room of the dyno that it replaces. One dyno at a time makes
/// room, as long as another dyno of its process type goes on serving.
fn make_room(draft: &mut Draft, app: &App, release: &Release, id: &DynoId, homes: &Homes) {
    let release_id = app.release_id(release.version);
    let starting = draft
        .observed
        .dynos_of(&app.name)
        .any(|(_, dyno)| dyno.state == DynoState::Starting && dyno.release == release_id);
    let fetching = draft.reserved.contains_key(&app.name);
    if starting || fetching || draft.room_is_coming() || !draft.victims.is_empty() {
        return;
    }
    let Some(serving) = app.serving else { return };
    let old = place::find_serving_dynos(draft, app, serving, &id.process);
    let spare = if serving == release.version {
        old.iter()
            .filter(|key| key.run < app.stale_before(&key.dyno))
            .cloned()
            .collect()
    } else if place::find_serving_dynos(draft, app, release.version, &id.process).len() < old.len()
    {
        old.clone()
    } else {
        Vec::new()
    };
    let least = if id.process.is_web() { 2 } else { 1 };
    if old.len() < least {
        return;
    }
    let fits = |key: &&DynoKey| choose_home(draft, app, release, id, (homes, Some(key))).is_some();
    let victim = spare.iter().rev().find(fits).cloned();
    draft.victims.extend(victim);
}

/// Moves the last dyno of a type that sits on one node with all its siblings, once a second node is alive.
fn spread_dynos(draft: &mut Draft, app: &App, release: &Arc<Release>, process: &ProcessType) {
    let count = app.count_open_places(process);
    if count < 2 || draft.live.len() < 2 {
        return;
    }
    let homes = Homes::from_draft(draft, app, release, process, None);
    let Some(id) = app.open_places(process).last() else {
        return;
    };
    let place = Place::from_draft(draft, app, release.version, &id);
    let shared = homes.counts.len() == 1 && homes.filled.len() == count as usize;
    let settled = place.fresh.is_some() && place.coming.is_none();
    let waits = place::not_before(draft, app, release.version, &id).is_some();
    if !shared || !settled || waits {
        return;
    }
    if let Some(node) = choose_home(draft, app, release, &id, (&homes, None)) {
        start_on(draft, app, release, &id, node);
    }
}

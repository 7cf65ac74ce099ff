//! Filling the places of a formation: fetch, then start.
//!
//! Owns which dynos are started, and where. Must not know when they get requests.

use super::draft::{Draft, Reserved};
use super::place::{self, Place};
use super::{FETCH_RETRY, Note, Step};
use crate::desired::{App, Release};
use crate::name::{AppName, DynoId, DynoKey, NodeId};
use crate::observed::Fetch;
use crate::placement;
use std::sync::Arc;

/// Starts what is missing of the wanted releases.
pub(super) fn fill(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    for release in app.wanted() {
        for id in app.slots(&release) {
            if Place::of(draft, &app, release.version, &id)
                .keeper()
                .is_none()
            {
                start(draft, &app, &release, &id);
            }
        }
    }
    for release in app.wanted() {
        spread(draft, &app, &release);
    }
}

fn start(draft: &mut Draft, app: &App, release: &Arc<Release>, id: &DynoId) {
    if let Some(until) = place::not_before(draft, app, release.version, id) {
        draft.wake(until);
        let (app, dyno) = (app.name.clone(), id.clone());
        draft.notes.insert(Note::BackingOff { app, dyno, until });
        return;
    }
    if draft.live.is_empty() {
        draft.notes.insert(Note::NoNodes);
        return;
    }
    match choose(draft, app, release, id, None) {
        Some(node) => start_on(draft, app, release, id, node),
        None => {
            let (name, dyno, version) = (app.name.clone(), id.clone(), release.version);
            draft.no_room.insert((name.clone(), dyno.clone(), version));
            draft.notes.insert(Note::NoRoom {
                app: name,
                dyno,
                version,
            });
            make_room(draft, app, release, id);
        }
    }
}

/// The node for a dyno, as if `without` were gone already.
fn choose(
    draft: &Draft,
    app: &App,
    release: &Release,
    id: &DynoId,
    without: Option<&DynoKey>,
) -> Option<NodeId> {
    let spec = release.processes.get(&id.process)?;
    let siblings = place::siblings(draft, app, release, id);
    let key = (app.name.clone(), release.version);
    placement::place(
        &draft.candidates(&key, without),
        &siblings,
        spec.limits.memory_bytes,
    )
}

/// Starts the dyno, or sees to it that the node gets the slug first.
fn start_on(draft: &mut Draft, app: &App, release: &Arc<Release>, id: &DynoId, node: NodeId) {
    let release_key = (app.name.clone(), release.version);
    let known = draft
        .observed
        .nodes
        .get(&node)
        .and_then(|node| node.releases.get(&release_key));
    let asked_at = match known {
        Some(Fetch::Ready) => {
            let dyno = DynoKey {
                app: app.name.clone(),
                dyno: id.clone(),
                run: draft.next_run(),
            };
            draft.push(Step::Start {
                node,
                dyno,
                version: release.version,
            });
            return;
        }
        Some(Fetch::Asked(at) | Fetch::Failed { at, .. }) => Some(*at),
        None => None,
    };
    let memory_bytes = release
        .processes
        .get(&id.process)
        .map_or(0, |s| s.limits.memory_bytes);
    draft.take_room(&node, memory_bytes);
    draft.reserved.push(Reserved {
        app: app.name.clone(),
        dyno: id.clone(),
        version: release.version,
        node: node.clone(),
    });
    match asked_at.map(|at| at + FETCH_RETRY) {
        Some(retry_at) if retry_at > draft.now => draft.wake(retry_at),
        _ => {
            draft.wake(draft.now + FETCH_RETRY);
            let release = Arc::clone(release);
            draft.push(Step::Fetch {
                node,
                app: app.name.clone(),
                release,
            });
        }
    }
}

/// Where nothing fits any more, a replacement can only come up in the room of what it replaces. One
/// dyno at a time gives way, as long as another one of its type serves on.
fn make_room(draft: &mut Draft, app: &App, release: &Release, id: &DynoId) {
    let starting = draft.observed.dynos_of(&app.name).any(|(_, dyno)| {
        dyno.state == crate::lifecycle::State::Starting && dyno.version == release.version
    });
    let fetching = draft
        .reserved
        .iter()
        .any(|reserved| reserved.app == app.name);
    if starting || fetching || draft.room_is_coming() || !draft.victims.is_empty() {
        return;
    }
    let Some(serving) = app.serving else { return };
    let old = place::serving(draft, app, serving, &id.process);
    let spare = if serving == release.version {
        old.iter()
            .filter(|key| key.run < app.stale_before(&key.dyno))
            .cloned()
            .collect()
    } else if place::serving(draft, app, release.version, &id.process).len() < old.len() {
        old.clone()
    } else {
        Vec::new()
    };
    let least = if id.process.is_web() { 2 } else { 1 };
    if old.len() < least {
        return;
    }
    let victim = spare
        .iter()
        .rev()
        .find(|key| choose(draft, app, release, id, Some(key)).is_some());
    draft.victims.extend(victim.cloned());
}

/// Two dynos that share a node, since no other one lived when they started, are parted when one does.
fn spread(draft: &mut Draft, app: &App, release: &Arc<Release>) {
    for process in release.processes.keys() {
        let count = app.count(process);
        let id = DynoId {
            process: process.clone(),
            index: count,
        };
        if count < 2 || draft.live.len() < 2 {
            continue;
        }
        let place = Place::of(draft, app, release.version, &id);
        let Some(key) = place.fresh.as_ref().filter(|_| place.coming.is_none()) else {
            continue;
        };
        let Some(home) = draft.observed.dynos.get(key).map(|dyno| dyno.node.clone()) else {
            continue;
        };
        let siblings = place::siblings(draft, app, release, &id);
        let full = siblings.len() + 1 == count as usize;
        let alone = siblings.iter().any(|node| *node != home);
        if !full || alone || place::not_before(draft, app, release.version, &id).is_some() {
            continue;
        }
        if let Some(node) = choose(draft, app, release, &id, None) {
            start_on(draft, app, release, &id, node);
        }
    }
}

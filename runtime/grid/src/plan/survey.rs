//! The survey before planning: which apps may need a step.
//!
//! Owns one pass over everything that is known, in order of apps and without a copy. Must not choose a step: an app is
//! skipped only if there is provably none for it, see `quiet`.

mod quiet;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use super::scene::{FetchedRelease, Room, Scene, add_rooms, earlier_time, take_room};
use crate::desired::App;
use crate::name::{AppName, DynoKey, NodeId};
use crate::observed::Dyno;
use crate::protocol::Route;
use crate::time::Time;
use quiet::{KnownApp, QuietApp, prove_quiet};

/// The result of a survey.
#[derive(Default)]
pub(super) struct Survey {
    /// Apps that may need a step.
    pub(super) busy: BTreeSet<AppName>,
    /// Apps that are not in the desired state, although nodes have dynos or releases of them.
    pub(super) strays: BTreeSet<AppName>,
    /// The room that skipped apps take, by node.
    pub(super) used: BTreeMap<NodeId, Room>,
    /// When a skipped app has to be looked at again.
    pub(super) wake_at: Option<Time>,
}

impl Survey {
    /// A survey that skips no app.
    pub(super) fn all_apps(scene: Scene<'_>) -> Self {
        let Scene {
            desired, observed, ..
        } = scene;
        let dynos = observed.dynos.keys().map(|key| &key.app);
        let nodes = observed.nodes.values();
        let releases = nodes.flat_map(|node| node.releases.keys().map(|(app, _)| app));
        let strays = dynos.chain(releases);
        let strays = strays.filter(|app| !desired.apps.contains_key(*app));
        Survey {
            busy: desired.apps.keys().cloned().collect(),
            strays: strays.cloned().collect(),
            ..Survey::default()
        }
    }

    /// Skips apps at rest, and apps that only wait for a report or a time. `used` is room that is taken by apps outside
    /// of the scene.
    pub(super) fn skip_quiet_apps(scene: Scene<'_>, used: &BTreeMap<NodeId, Room>) -> Self {
        let mut walk = SurveyWalk::new(scene);
        for (name, app) in &scene.desired.apps {
            walk.take(name, app);
        }
        walk.finish(used)
    }
}

/// Apps that wait for the only node to fetch their slug.
#[derive(Default)]
struct WaitingApps {
    apps: Vec<AppName>,
    /// Room for their dynos, existing ones included.
    room: Room,
    wake_at: Option<Time>,
}

/// A survey in progress: rows sorted by app, consumed up to the app that was taken last.
struct SurveyWalk<'a> {
    scene: Scene<'a>,
    dynos: Peekable<std::collections::btree_map::Iter<'a, DynoKey, Dyno>>,
    routes: Peekable<std::collections::btree_map::Iter<'a, AppName, Route>>,
    releases: Peekable<std::vec::IntoIter<FetchedRelease<'a>>>,
    own_dynos: Vec<(&'a DynoKey, &'a Dyno)>,
    own_releases: Vec<FetchedRelease<'a>>,
    waiting: WaitingApps,
    /// Room that busy apps take already.
    busy_used: Room,
    survey: Survey,
}

impl<'a> SurveyWalk<'a> {
    fn new(scene: Scene<'a>) -> Self {
        let nodes = scene.observed.nodes.iter();
        let releases = nodes.flat_map(|(id, node)| {
            let releases = node.releases.iter();
            releases.map(move |((app, release), fetch)| (app, *release, id, fetch))
        });
        let mut releases: Vec<FetchedRelease<'a>> = releases.collect();
        // The rows of each node are sorted already, so this is one merge.
        if scene.observed.nodes.len() > 1 {
            releases.sort_by(|a, b| a.0.cmp(b.0));
        }
        SurveyWalk {
            scene,
            dynos: scene.observed.dynos.iter().peekable(),
            routes: scene.observed.routes.iter().peekable(),
            releases: releases.into_iter().peekable(),
            own_dynos: Vec::new(),
            own_releases: Vec::new(),
            waiting: WaitingApps::default(),
            busy_used: (0, 0),
            survey: Survey::default(),
        }
    }

    fn take(&mut self, name: &AppName, app: &'a App) {
        let strays = &mut self.survey.strays;
        self.own_dynos.clear();
        self.own_releases.clear();
        let own = &mut self.own_dynos;
        take_while(
            &mut self.dynos,
            name,
            |row| &row.0.app,
            |row, mine| {
                if mine {
                    own.push(row);
                } else {
                    strays.insert(row.0.app.clone());
                }
            },
        );
        let own = &mut self.own_releases;
        take_while(
            &mut self.releases,
            name,
            |row| row.0,
            |row, mine| {
                if mine {
                    own.push(row);
                } else {
                    strays.insert(row.0.clone());
                }
            },
        );
        let mut route = None;
        take_while(
            &mut self.routes,
            name,
            |row| row.0,
            |row, mine| route = Some(row.1).filter(|_| mine),
        );
        self.judge(name, app, route);
    }

    fn judge(&mut self, name: &AppName, app: &'a App, route: Option<&'a Route>) {
        let known = KnownApp {
            app,
            dynos: &self.own_dynos,
            releases: &self.own_releases,
            route,
        };
        let Some(QuietApp { wake_at, waits_for }) = prove_quiet(self.scene, &known) else {
            let dynos = self.own_dynos.iter();
            self.busy_used = dynos.fold(self.busy_used, |sum, (_, dyno)| {
                add_rooms(sum, (dyno.memory_bytes, 1))
            });
            self.survey.busy.insert(name.clone());
            return;
        };
        let dynos = self.own_dynos.iter();
        let dynos = dynos.map(|(_, dyno)| (&dyno.node, (dyno.memory_bytes, 1)));
        if waits_for.1 > 0 {
            let own = dynos.map(|(_, room)| room);
            self.waiting.room = own.fold(add_rooms(self.waiting.room, waits_for), add_rooms);
            self.waiting.wake_at = earlier_time(self.waiting.wake_at, wake_at);
            self.waiting.apps.push(name.clone());
            return;
        }
        self.survey.wake_at = earlier_time(self.survey.wake_at, wake_at);
        for (node, room) in dynos {
            take_room(&mut self.survey.used, node, room);
        }
    }

    fn finish(mut self, used: &BTreeMap<NodeId, Room>) -> Survey {
        let strays = &mut self.survey.strays;
        for (key, dyno) in self.dynos {
            self.busy_used = add_rooms(self.busy_used, (dyno.memory_bytes, 1));
            strays.insert(key.app.clone());
        }
        strays.extend(self.releases.map(|(app, ..)| app.clone()));
        let (mut survey, waiting) = (self.survey, self.waiting);
        if waiting.apps.is_empty() {
            return survey;
        }
        // Apps wait only where one node is alive. While that node has room for every dyno of every app, the order of
        // the apps does not matter; otherwise all of them are planned, in order.
        let apps = survey.busy.iter();
        let demand = apps.filter_map(|name| Some(demand_of(self.scene.desired.apps.get(name)?)));
        let demand = demand.fold(add_rooms(waiting.room, self.busy_used), add_rooms);
        let home = self.scene.live.first();
        let fits = home.is_some_and(|id| {
            let taken = |of: &BTreeMap<NodeId, Room>| of.get(id).copied().unwrap_or_default();
            let (memory, dynos) = add_rooms(add_rooms(taken(used), taken(&survey.used)), demand);
            let node = &self.scene.observed.nodes[id];
            memory <= node.memory_bytes && dynos <= node.dynos_max
        });
        match home.filter(|_| fits) {
            Some(home) => {
                take_room(&mut survey.used, home, waiting.room);
                survey.wake_at = earlier_time(survey.wake_at, waiting.wake_at);
            }
            None => survey.busy.extend(waiting.apps),
        }
        survey
    }
}

/// Passes the rows up to and including those of this app to `out`, each with whether it is of this app.
fn take_while<T: Copy>(
    rows: &mut Peekable<impl Iterator<Item = T>>,
    app: &AppName,
    app_of: impl Fn(&T) -> &AppName,
    mut out: impl FnMut(T, bool),
) {
    while let Some(row) = rows.peek().copied() {
        // Equal names mostly share one string, and comparing pointers is fast.
        let of = app_of(&row);
        let mine = std::ptr::eq(of.as_str(), app.as_str());
        let order = if mine { Ordering::Equal } else { of.cmp(app) };
        if order.is_gt() {
            return;
        }
        out(row, order.is_eq());
        rows.next();
    }
}

/// Room for every dyno that an app may have at once.
fn demand_of(app: &App) -> Room {
    let releases = app.wanted_releases();
    let processes = releases.iter().flat_map(|release| release.processes.iter());
    let first = releases.iter().filter(|release| app.is_unprepared(release));
    let first = first.filter_map(|release| release.release_process());
    let first = first.fold((0, 0), |sum, spec| {
        add_rooms(sum, (spec.limits.memory_bytes, 1))
    });
    processes.fold(first, |sum, (process, spec)| {
        let open = app.count_open_places(process);
        let memory = spec.limits.memory_bytes.saturating_mul(open.into());
        add_rooms(sum, (memory, open))
    })
}

#[cfg(test)]
mod tests;

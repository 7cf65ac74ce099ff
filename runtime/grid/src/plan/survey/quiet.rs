//! The proof that an app needs no step now.
//!
//! Owns a cheap proof: every dyno is where and what it should be, and the routers have the right route. An app without
//! the proof is planned. So the proof may fail too often, but must never hold wrongly. `plan_every_app` does not use
//! it.

use std::iter::Peekable;
use std::slice::Iter;

use crate::backoff;
use crate::desired::{App, ProcessSpec, Release};
use crate::lifecycle::DynoState;
use crate::name::{DynoId, DynoKey, NodeId, ProcessType};
use crate::observed::{Dyno, FetchState, FormationSlot};
use crate::plan::scene::{FetchedRelease, Room, Scene, add_rooms, earlier_time};
use crate::plan::{FETCH_RETRY, START_RETRY, route_settings};
use crate::protocol::{Refusal, Route, RouteTarget, RoutedDyno};
use crate::time::Time;

/// Everything that is known of one app.
pub(super) struct KnownApp<'a> {
    pub(super) app: &'a App,
    pub(super) dynos: &'a [(&'a DynoKey, &'a Dyno)],
    pub(super) releases: &'a [FetchedRelease<'a>],
    pub(super) route: Option<&'a Route>,
}

/// The results of the survey for an app that needs no step.
#[derive(Default)]
pub(super) struct QuietApp {
    /// When the app has to be looked at again if nothing is heard.
    pub(super) wake_at: Option<Time>,
    /// Room for dynos that will start once the node has their slug.
    pub(super) waits_for: Room,
}

/// The nodes that have the dynos of a process type.
enum ProcessHomes<'a> {
    None,
    One(&'a NodeId),
    Several,
}

impl<'a> ProcessHomes<'a> {
    fn with(self, node: &'a NodeId) -> Self {
        match self {
            ProcessHomes::None => ProcessHomes::One(node),
            ProcessHomes::One(home) if home == node => self,
            ProcessHomes::One(_) | ProcessHomes::Several => ProcessHomes::Several,
        }
    }
}

/// A walk over an app's dynos, in order.
struct QuietWalk<'a> {
    scene: Scene<'a>,
    app: &'a App,
    release: &'a Release,
    releases: &'a [FetchedRelease<'a>],
    dynos: Peekable<Iter<'a, (&'a DynoKey, &'a Dyno)>>,
    /// The dynos that the routers have, and how many of them were found.
    served: &'a [RoutedDyno],
    found: usize,
    web_up: usize,
    starting: u32,
    cycle_at: Option<Time>,
    quiet: QuietApp,
}

/// The proof that an app needs no step, if it is easy to give.
pub(super) fn prove_quiet(scene: Scene<'_>, known: &KnownApp<'_>) -> Option<QuietApp> {
    let app = known.app;
    let shown = known.route?;
    let Some(release) = app.target_release() else {
        let nothing = known.dynos.is_empty()
            && known.releases.is_empty()
            && scene.observed.exits_of(&app.name).next().is_none()
            && app.first_kept_version(scene.policy.releases_kept).is_none();
        let told = has_right_settings(scene, app, shown) && shown.target == blank_target(app);
        return (nothing && told).then(QuietApp::default);
    };
    // A release that replaces another one, or that failed, needs planning.
    let plain = app.serving.is_none_or(|serving| serving == release.version)
        && !app.failed.contains_key(&release.version)
        && !app.is_unprepared(release)
        && scene.observed.exits_of(&app.name).next().is_none()
        && app.first_kept_version(scene.policy.releases_kept).is_none();
    let mut releases = known.releases.iter();
    let only_this = releases.all(|(_, id, _, fetch)| {
        *id == app.release_id(release.version) && !matches!(fetch, FetchState::Failed { .. })
    });
    if !plain || !only_this || !has_right_settings(scene, app, shown) {
        return None;
    }
    let look = QuietWalk {
        scene,
        app,
        release,
        releases: known.releases,
        dynos: known.dynos.iter().peekable(),
        served: match &shown.target {
            RouteTarget::Dynos(dynos) => dynos,
            RouteTarget::Booting | RouteTarget::Refuse(_) => &[],
        },
        found: 0,
        web_up: 0,
        starting: 0,
        cycle_at: None,
        quiet: QuietApp::default(),
    };
    look.at_all(&shown.target)
}

/// Whether the route is right, apart from its dynos.
fn has_right_settings(scene: Scene<'_>, app: &App, shown: &Route) -> bool {
    shown.version == app.serving
        && shown.backlog_max == route_settings::backlog_max(app)
        && shown.request_timeout == route_settings::request_timeout(app, app.serving)
        && shown.idle_after == route_settings::idle_after(app, app.serving, scene.policy)
        && shown.hostnames.iter().eq(&app.hostnames)
}

fn blank_target(app: &App) -> RouteTarget {
    RouteTarget::Refuse(if app.maintenance {
        Refusal::Maintenance
    } else {
        Refusal::BlankApp
    })
}

impl QuietWalk<'_> {
    fn at_all(mut self, shown: &RouteTarget) -> Option<QuietApp> {
        let release = self.release;
        for (process, spec) in &release.processes {
            self.at_type(process, spec)?;
        }
        let missing = self.quiet.waits_for.1;
        let rests = self.starting == 0 && missing == 0;
        // A dyno that no place needs is to be ended, and a first release whose dynos are all up is to serve.
        if self.dynos.next().is_some() || (self.app.serving.is_none() && rests) {
            return None;
        }
        if rests {
            self.quiet.wake_at = earlier_time(self.quiet.wake_at, self.cycle_at);
        }
        self.serves(shown).then_some(self.quiet)
    }

    fn at_type(&mut self, process: &ProcessType, spec: &ProcessSpec) -> Option<()> {
        let (mut homes, mut places) = (ProcessHomes::None, 0u32);
        for id in self.app.open_places(process) {
            places += 1;
            match self.dynos.next_if(|(key, _)| key.dyno == id) {
                Some((key, dyno)) => {
                    self.at_dyno(key, dyno, spec)?;
                    homes = homes.with(&dyno.node);
                }
                None => self.at_gap(&id, spec)?,
            }
        }
        // Two dynos on one node may have to be moved apart.
        let shared = places >= 2 && matches!(homes, ProcessHomes::One(_));
        (!shared || self.scene.live.len() < 2).then_some(())
    }

    /// The only dyno in its place. A second one would be left over in the walk and fail the proof.
    fn at_dyno(&mut self, key: &DynoKey, dyno: &Dyno, spec: &ProcessSpec) -> Option<()> {
        let fresh = key.run >= self.app.stale_before(&key.dyno) && key.run >= self.app.first_run;
        let id = self.app.release_id(self.release.version);
        if !fresh || dyno.release != id || !self.scene.live.contains(&dyno.node) {
            return None;
        }
        // The first release may have failed.
        if self.app.serving.is_none() && self.crashed(&key.dyno) {
            return None;
        }
        match dyno.state {
            DynoState::Up | DynoState::Idle => self.at_serving(key, dyno),
            DynoState::Starting => {
                self.starting += 1;
                self.wake(match dyno.acknowledged {
                    true => dyno.started + spec.limits.boot_timeout,
                    false => dyno.told + START_RETRY,
                })
            }
            DynoState::Draining | DynoState::Crashed | DynoState::Down => None,
        }
    }

    fn at_serving(&mut self, key: &DynoKey, dyno: &Dyno) -> Option<()> {
        self.web_up += usize::from(key.dyno.process.is_web());
        let routed = self.served.get(self.found);
        if routed.is_some_and(|routed| routed.dyno == *key && routed.node == dyno.node) {
            self.found += 1;
        }
        if let (Some(after), Some(since)) = (self.scene.policy.cycle_after, dyno.up_since) {
            let seed = self.scene.observed.seed;
            let due = since + after + backoff::derive_jitter(after, key.run, seed);
            if due <= self.scene.now {
                return None;
            }
            self.cycle_at = earlier_time(self.cycle_at, Some(due));
        }
        Some(())
    }

    /// An empty place: its dyno must be waiting for the slug, on the only node that could take it.
    fn at_gap(&mut self, id: &DynoId, spec: &ProcessSpec) -> Option<()> {
        let ([(.., node, FetchState::Requested(at))], 1) = (self.releases, self.scene.live.len())
        else {
            return None;
        };
        if !self.scene.live.contains(*node) || self.crashed(id) {
            return None;
        }
        self.quiet.waits_for = add_rooms(self.quiet.waits_for, (spec.limits.memory_bytes, 1));
        self.wake(*at + FETCH_RETRY)
    }

    /// Whether a crash in this place is remembered.
    fn crashed(&self, dyno: &DynoId) -> bool {
        let crashes = &self.scene.observed.crashes;
        let slot = || FormationSlot {
            app: self.app.name.clone(),
            dyno: dyno.clone(),
            release: self.app.release_id(self.release.version),
        };
        !crashes.is_empty() && crashes.contains_key(&slot())
    }

    fn wake(&mut self, at: Time) -> Option<()> {
        self.quiet.wake_at = earlier_time(self.quiet.wake_at, Some(at));
        (at > self.scene.now).then_some(())
    }

    /// Whether the route has the right dynos.
    fn serves(&self, shown: &RouteTarget) -> bool {
        if self.app.maintenance {
            return *shown == RouteTarget::Refuse(Refusal::Maintenance);
        }
        if self.release.web_process().is_none() || self.app.count_open_web_places() == 0 {
            return *shown == RouteTarget::Refuse(Refusal::NoWebDynos);
        }
        if self.app.serving.is_none() || self.web_up == 0 {
            return *shown == RouteTarget::Booting;
        }
        let all = self.found == self.served.len() && self.found == self.web_up;
        all && matches!(shown, RouteTarget::Dynos(_))
    }
}

//! The route of an app.
//!
//! Owns the route that follows from the dynos there are. Must not know how a router uses it.

use super::place::{self, Place};
use crate::desired::{App, Release};
use crate::name::{AppName, ProcessType, Version};
use crate::plan::draft::Draft;
use crate::plan::route_settings::{backlog_max, idle_after, request_timeout, shown_release};
use crate::protocol::{Refusal, Route, RouteTarget, RoutedDyno, Step};

/// Publishes the app's route if it is not the one that the routers have.
pub(in crate::plan) fn publish_route(draft: &mut Draft, name: &AppName) {
    let Some(app) = draft.desired.apps.get(name).cloned() else {
        return;
    };
    publish_version(draft, &app, app.serving);
}

/// Publishes the route of the app as served by this release, if it is not the one the routers have.
pub(in crate::plan) fn publish_version(draft: &mut Draft, app: &App, version: Option<Version>) {
    let known = draft.observed.routes.get(&app.name);
    let mut route = Route {
        app: app.name.clone(),
        generation: known.map_or(draft.next_generation(), |known| known.generation),
        hostnames: app.hostnames.iter().cloned().collect(),
        version,
        backlog_max: backlog_max(app),
        request_timeout: request_timeout(app, version),
        idle_after: idle_after(app, version, &draft.policy),
        target: route_target(draft, app, version),
    };
    if known != Some(&route) {
        route.generation = draft.next_generation();
        draft.push_step(Step::Publish { route });
    }
}

fn route_target(draft: &Draft, app: &App, version: Option<Version>) -> RouteTarget {
    if app.maintenance {
        return RouteTarget::Refuse(Refusal::Maintenance);
    }
    let Some(release) = shown_release(app, version) else {
        return RouteTarget::Refuse(Refusal::BlankApp);
    };
    if release.web_process().is_none() || app.count_open_web_places() == 0 {
        return RouteTarget::Refuse(Refusal::NoWebDynos);
    }
    let web = ProcessType::web();
    let mut dynos = version.map_or(Vec::new(), |version| {
        place::find_serving_dynos(draft, app, version, &web)
    });
    if !dynos.is_empty() {
        dynos.sort();
        let routed = dynos.into_iter().filter_map(|dyno| {
            let node = draft.observed.dynos.get(&dyno)?.node.clone();
            Some(RoutedDyno { dyno, node })
        });
        return RouteTarget::Dynos(routed.collect());
    }
    if any_is_coming(draft, app, release) {
        RouteTarget::Booting
    } else {
        RouteTarget::Refuse(Refusal::AppCrashed)
    }
}

/// Whether a web dyno of the release starts, or may start without waiting.
fn any_is_coming(draft: &Draft, app: &App, release: &Release) -> bool {
    let failed = app.failed.contains_key(&release.version);
    app.open_places(&ProcessType::web()).any(|id| {
        let place = Place::from_draft(draft, app, release.version, &id);
        let waits = place::not_before(draft, app, release.version, &id).is_some();
        place.staying_dyno().is_some() || !(waits || failed)
    })
}

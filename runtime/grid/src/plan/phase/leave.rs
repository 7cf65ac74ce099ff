//! Dynos and releases of apps that are not in the desired state.
//!
//! Owns the end of a destroyed app; an unknown app is left alone. Must not know why an app was destroyed.

use std::collections::BTreeSet;

use super::retire;
use crate::name::{AppName, DynoKey, NodeId, ReleaseId};
use crate::observed::Dyno;
use crate::plan::PlanNote;
use crate::plan::draft::Draft;
use crate::protocol::Step;

/// Withdraws destroyed apps and ends their dynos. Dynos of apps that the ledger does not know are left alone: the
/// ledger may be incomplete.
pub(in crate::plan) fn end_strays(draft: &mut Draft) {
    withdraw_destroyed(draft);
    for app in draft.strays.clone() {
        if draft.desired.destroyed.contains_key(&app) {
            end_dynos(draft, &app);
            forget_releases(draft, &app);
        } else if draft.observed.dynos_of(&app).next().is_some() {
            draft.notes.insert(PlanNote::UnknownApp { app });
        }
    }
}

/// Tells the routers of every destroyed app once, whether they know it or not.
fn withdraw_destroyed(draft: &mut Draft) {
    let destroyed = draft.desired.destroyed.keys();
    let told = &draft.observed.withdrawn;
    let untold: Vec<AppName> = destroyed
        .filter(|app| !told.contains(*app))
        .cloned()
        .collect();
    for app in untold {
        draft.push_step(Step::Withdraw { app });
    }
}

fn end_dynos(draft: &mut Draft, app: &AppName) {
    let reachable = draft.observed.dynos_of(app);
    let reachable = reachable.filter(|(_, dyno)| draft.live.contains(&dyno.node));
    let dynos: Vec<(DynoKey, Dyno)> = reachable.map(|(k, d)| (k.clone(), d.clone())).collect();
    for (key, dyno) in dynos {
        retire::end_dyno(draft, key, &dyno);
    }
}

/// Makes nodes forget the releases of the app that have no dyno left on them.
fn forget_releases(draft: &mut Draft, app: &AppName) {
    let dynos = draft.observed.dynos_of(app);
    let used: BTreeSet<(&NodeId, ReleaseId)> =
        dynos.map(|(_, dyno)| (&dyno.node, dyno.release)).collect();
    let mut idle = Vec::new();
    for id in &draft.live {
        let Some(node) = draft.observed.nodes.get(id) else {
            continue;
        };
        let releases = node.releases_of(app).map(|(release, _)| release);
        let releases = releases.filter(|release| !used.contains(&(id, *release)));
        idle.extend(releases.map(|release| (id.clone(), release)));
    }
    for (node, release) in idle {
        draft.push_step(Step::Forget {
            node,
            app: app.clone(),
            release,
        });
    }
}

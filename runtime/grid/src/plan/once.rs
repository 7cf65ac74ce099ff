//! One-off dynos: a user starts them, and they run once.
//!
//! Owns whether one more may start, and on which node. Must not know the program of the dyno, nor the user. Plans leave
//! one-off dynos alone, and count their room.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::DesiredState;
use crate::name::{AppName, DynoId, DynoKey, ProcessType, ReleaseId};
use crate::observed::ObservedState;
use crate::placement::{self, Candidate};
use crate::protocol::OneOff;
use crate::time::Time;

/// The most one-off dynos of an app at a time: enough for people and jobs, and a bound for a script in a loop.
pub const ONE_OFFS_PER_APP_MAX: usize = 50;
/// The most one-off dynos of a node at a time: each attached one has buffers and two connections.
pub const ONE_OFFS_PER_NODE_MAX: usize = 500;

/// Why no further one-off dyno may start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OneOffError {
    /// There is no such app.
    #[error("there is no app {0}")]
    NoSuchApp(AppName),
    /// The app has no release yet.
    #[error("{0} has no release yet: deploy it first")]
    NoRelease(AppName),
    /// The app has the most one-off dynos that it may have.
    #[error(
        "{0} has {ONE_OFFS_PER_APP_MAX} one-off dynos, and may have no more: wait for one, or end it with `dyno ps stop run.N`"
    )]
    TooMany(AppName),
    /// No node has room for it.
    #[error(
        "no node has room for a one-off dyno of {memory_bytes} bytes of memory: try again later"
    )]
    NoRoom {
        /// The requested memory, in bytes.
        memory_bytes: u64,
    },
}

/// The next one-off dyno of an app, with this much memory in bytes. Changes nothing: a caller that starts the dyno
/// notes it by `ObservedState::start_one_off`.
pub fn place_one_off(
    desired: &DesiredState,
    observed: &ObservedState,
    app: &AppName,
    memory_bytes: u64,
    now: Time,
) -> Result<OneOff, OneOffError> {
    let known = desired.apps.get(app);
    let known = known.ok_or_else(|| OneOffError::NoSuchApp(app.clone()))?;
    let release = known.serving_release().or(known.newest_release());
    let release = release.ok_or_else(|| OneOffError::NoRelease(app.clone()))?;
    let release = known.release_id(release.version);
    let dynos = observed.dynos_of(app);
    let taken: BTreeSet<u32> = dynos
        .filter(|(key, _)| key.dyno.process.is_run())
        .map(|(key, _)| key.dyno.index)
        .collect();
    if taken.len() >= ONE_OFFS_PER_APP_MAX {
        return Err(OneOffError::TooMany(app.clone()));
    }
    let last = observed.one_offs.get(app).copied().unwrap_or(0);
    // Numbers of an earlier reconciler may be in use. After the last number, the first comes again.
    let further = (last.saturating_add(1)..=u32::MAX).chain(1..=last);
    let index = further.into_iter().find(|index| !taken.contains(index));
    let candidates = list_candidates(observed, &(app.clone(), release), now);
    let node = placement::choose_node(&candidates, &BTreeMap::new(), memory_bytes);
    let node = node.ok_or(OneOffError::NoRoom { memory_bytes })?;
    Ok(OneOff {
        node,
        dyno: DynoKey {
            app: app.clone(),
            dyno: DynoId {
                process: ProcessType::run(),
                index: index.unwrap_or(1),
            },
            run: observed.next_run,
        },
        release,
        memory_bytes,
    })
}

/// The live nodes that may take one more one-off dyno.
fn list_candidates(
    observed: &ObservedState,
    release: &(AppName, ReleaseId),
    now: Time,
) -> Vec<Candidate> {
    let nodes = observed
        .nodes
        .iter()
        .filter(|(_, node)| !node.is_silent(now));
    let candidates = nodes.filter_map(|(id, node)| {
        let dynos = observed.dynos.iter().filter(|(_, dyno)| dyno.node == *id);
        let one_offs = dynos.filter(|(key, _)| key.dyno.process.is_run()).count();
        let room = one_offs < ONE_OFFS_PER_NODE_MAX;
        room.then(|| Candidate::from_node(id, node, release, observed.sum_used_room(id)))
    });
    candidates.collect()
}

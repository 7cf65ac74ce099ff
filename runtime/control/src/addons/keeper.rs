//! The task that makes and destroys add-ons.
//!
//! Owns when an attempt is made. Must not know how one is made, nor what follows from how it ended.

use super::attempts::{AddonsShared, AttemptEnd};
use grid::desired::{Addon, AddonState};
use grid::name::AddonName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Add-ons that are worked on at a time.
const BUSY_MAX: usize = 8;
/// Pauses between attempts to destroy an add-on: from the first to the last, each twice the one before.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// How often it is seen to that servers have not forgotten what they were told.
const TEND_EVERY: Duration = Duration::from_secs(15);

/// What is being done, to one add-on: nothing else is done to it meanwhile.
#[derive(Debug)]
enum AddonTask {
    Change(AddonName),
    Tend(AddonName),
}

impl AddonTask {
    fn addon(&self) -> &AddonName {
        match self {
            AddonTask::Change(addon) | AddonTask::Tend(addon) => addon,
        }
    }
}

/// The task that makes and destroys add-ons; one for a server.
#[derive(Debug)]
pub struct AddonKeeper {
    shared: Arc<AddonsShared>,
    tasks: JoinSet<AttemptEnd>,
    busy: BTreeMap<tokio::task::Id, AddonTask>,
    /// When add-ons are tried again, and the pause before.
    retries: BTreeMap<AddonName, (Instant, Duration)>,
    /// Those that somebody was told are not made.
    doomed: BTreeSet<AddonName>,
    /// Those that are to be tended, one after the other, before all are again at this time.
    untended: Vec<AddonName>,
    tend_at: Instant,
}

impl AddonKeeper {
    pub(super) fn new(shared: Arc<AddonsShared>) -> Self {
        AddonKeeper {
            shared,
            tasks: JoinSet::new(),
            busy: BTreeMap::new(),
            retries: BTreeMap::new(),
            doomed: BTreeSet::new(),
            untended: Vec::new(),
            tend_at: Instant::now(),
        }
    }

    /// Does what the ledger says, until it is dropped. `warn` is told for the operator what cannot be destroyed now.
    pub async fn run(mut self, warn: impl Fn(String)) {
        let mut views = self.shared.control.watch_view();
        loop {
            views.borrow_and_update();
            self.start_attempts();
            self.tend_next_addon();
            // Whatever is late because all are busy is begun when one of them ends.
            let now = Instant::now();
            let wakes = self
                .retries
                .values()
                .map(|(at, _)| *at)
                .chain([self.tend_at]);
            let wake = wakes
                .filter(|at| *at > now)
                .min()
                .unwrap_or(now + TEND_EVERY);
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                changed = views.changed() => if changed.is_err() {
                    return;
                },
                Some(ended) = self.tasks.join_next_with_id() => self.finish_task(ended, &warn),
                () = shared.nudge.notified() => self.retries.clear(),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Begins what is to be done and may be done now.
    fn start_attempts(&mut self) {
        let view = self.shared.control.view();
        let open = |addon: &&Addon| !matches!(addon.state, AddonState::Ready(_));
        self.retries
            .retain(|name, _| view.desired.addons.contains_key(name));
        self.doomed
            .retain(|name| view.desired.addons.contains_key(name));
        for addon in view.desired.addons.values().filter(open) {
            let name = &addon.request.name;
            let later = self.retries.get(name);
            if self.busy.len() >= BUSY_MAX
                || self.busy.values().any(|work| work.addon() == name)
                || later.is_some_and(|(at, _)| *at > Instant::now())
            {
                continue;
            }
            let (shared, addon) = (Arc::clone(&self.shared), addon.clone());
            let doomed = self.doomed.contains(name);
            self.spawn_task(AddonTask::Change(name.clone()), async move {
                match &addon.state {
                    AddonState::Creating => shared.make_addon(&addon.request, doomed).await,
                    AddonState::Destroying(made) => {
                        shared.destroy_addon(&addon.request, made.as_ref()).await
                    }
                    AddonState::Ready(_) => AttemptEnd::Done,
                }
            });
        }
    }

    /// Tends the next add-on, if none is being tended.
    fn tend_next_addon(&mut self) {
        if self
            .busy
            .values()
            .any(|work| matches!(work, AddonTask::Tend(_)))
        {
            return;
        }
        if self.untended.is_empty() && self.tend_at <= Instant::now() {
            self.tend_at = Instant::now() + TEND_EVERY;
            let view = self.shared.control.view();
            self.untended = view.desired.addons.keys().cloned().collect();
        }
        while let Some(addon) = self.untended.pop() {
            if self.busy.values().any(|work| *work.addon() == addon) {
                continue;
            }
            let shared = Arc::clone(&self.shared);
            self.spawn_task(AddonTask::Tend(addon.clone()), async move {
                shared.tend_addon(&addon).await;
                AttemptEnd::Done
            });
            return;
        }
    }

    fn spawn_task(
        &mut self,
        work: AddonTask,
        task: impl Future<Output = AttemptEnd> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.busy.insert(id, work);
    }

    fn finish_task(
        &mut self,
        ended: Result<(tokio::task::Id, AttemptEnd), tokio::task::JoinError>,
        warn: &impl Fn(String),
    ) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, end),
            // Whatever it was is tried again.
            Err(panic) => (panic.id(), AttemptEnd::Again(None)),
        };
        let Some(AddonTask::Change(name)) = self.busy.remove(&id) else {
            return;
        };
        let error = match end {
            AttemptEnd::Done => {
                self.retries.remove(&name);
                return;
            }
            AttemptEnd::Again(error) => error,
            AttemptEnd::Doomed => {
                self.doomed.insert(name.clone());
                None
            }
        };
        let pause = self.retries.get(&name).map(|(_, pause)| *pause * 2);
        if let (None, Some(error)) = (pause, error) {
            warn(format!("the add-on {name} is not destroyed yet: {error}"));
        }
        let pause = pause.unwrap_or(RETRY_FIRST).min(RETRY_LAST);
        self.retries.insert(name, (Instant::now() + pause, pause));
    }
}

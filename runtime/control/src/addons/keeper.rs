//! `AddonKeeper`, the task that creates and destroys add-ons.
//!
//! Owns when an attempt is made. Must not know how an attempt is made, nor the consequences of its outcome.

use super::attempts::{AddonsShared, AttemptEnd};
use grid::desired::{Addon, AddonState};
use grid::name::AddonName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Maximum number of add-ons that are worked on at the same time.
const BUSY_MAX: usize = 8;
/// The first and the longest pause between attempts to destroy an add-on. Each pause is twice the one before.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// Interval at which all add-ons are tended.
const TEND_EVERY: Duration = Duration::from_secs(15);

/// The kind of work on one add-on. Nothing else is done with the add-on at the same time.
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

/// The task that creates and destroys add-ons. A server has one.
#[derive(Debug)]
pub struct AddonKeeper {
    shared: Arc<AddonsShared>,
    tasks: JoinSet<AttemptEnd>,
    busy: BTreeMap<tokio::task::Id, AddonTask>,
    /// The time of the next attempt by add-on, and the pause before it.
    retries: BTreeMap<AddonName, (Instant, Duration)>,
    /// Add-ons whose request was told of a failure: they must be removed.
    doomed: BTreeSet<AddonName>,
    /// Add-ons that are still to be tended in this round. The next round starts at `tend_at`.
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

    /// Creates and destroys add-ons as the ledger says, until dropped. Calls `warn` with texts for the operator
    /// about add-ons that cannot be destroyed now.
    pub async fn run(mut self, warn: impl Fn(String)) {
        let mut views = self.shared.control.watch_view();
        loop {
            views.borrow_and_update();
            self.start_attempts();
            self.tend_next_addon();
            // Attempts that wait because the maximum is reached start when another ends.
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

    /// Starts the attempts that are due.
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
            // After a panic the attempt is repeated.
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

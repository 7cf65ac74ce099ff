//! The task that makes and destroys add-ons, and the handle by which one is asked for.
//!
//! Owns when an attempt is made, and what follows from how it ended. Must not know how a service is made.

use super::{ProvisionError, Servers};
use crate::command::{Accepted, Actor, AddonCommand, Command};
use crate::handle::{Control, Refused};
use crate::ledger::IdempotencyKey;
use grid::desired::{Addon, AddonDetails, AddonService, AddonState, NewAddon};
use grid::name::{AddonName, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// Add-ons that are worked on at a time.
const BUSY_MAX: usize = 8;
/// Until an add-on is made, at most; it is taken back then.
const CREATE_MAX: Duration = Duration::from_secs(30);
/// Until an add-on that was not made is taken back, at most; it goes on later.
const TAKE_BACK_MAX: Duration = Duration::from_secs(15);
/// Until an add-on is destroyed, at most; it goes on later. Removing a hundred million keys takes some minutes.
const DESTROY_MAX: Duration = Duration::from_secs(10 * 60);
/// How long whoever asks waits for what comes of it: shorter than clients wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Pauses between attempts to destroy an add-on: from the first to the last, each twice the one before.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// How often it is seen to that servers have not forgotten what they were told.
const TEND_EVERY: Duration = Duration::from_secs(15);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Made,
    Gone,
}

type Answer = Result<Option<Version>, ProvisionError>;
type Waiting = BTreeMap<(AddonName, Wish), Vec<oneshot::Sender<Answer>>>;

/// Why an add-on is not as it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AddonError {
    /// The ledger does not take it. Nothing was made.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The service's server stood in the way.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
}

/// How far an add-on is that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destroyed {
    /// Nothing is left of it.
    Wholly,
    /// Its apps do not have it any more; the rest goes as soon as it can.
    Later,
}

/// The handle by which add-ons are asked for. A clone leads to the same [`Keeper`].
#[derive(Clone)]
pub struct Addons(Arc<Shared>);

struct Shared {
    control: Control,
    servers: Servers,
    waiting: Mutex<Waiting>,
    /// Somebody waits for an attempt.
    nudge: Notify,
    /// Numbers of Redis databases are given one by one.
    numbers: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Addons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addons").field(&self.0.servers).finish()
    }
}

impl Addons {
    /// A handle, and the task that does what is asked for by it.
    pub fn new(control: Control, servers: Servers) -> (Addons, Keeper) {
        let addons = Addons(Arc::new(Shared {
            control,
            servers,
            waiting: Mutex::default(),
            nudge: Notify::new(),
            numbers: tokio::sync::Mutex::default(),
        }));
        let keeper = Keeper {
            addons: addons.clone(),
            tasks: JoinSet::new(),
            busy: BTreeMap::new(),
            retries: BTreeMap::new(),
            doomed: BTreeSet::new(),
            untended: Vec::new(),
            tend_at: Instant::now(),
        };
        (addons, keeper)
    }

    /// Refuses a service that the operator does not offer.
    pub fn offers(&self, service: AddonService) -> Result<(), ProvisionError> {
        self.0.servers.get(service).map(drop)
    }

    /// Has an add-on made and attached to its app; returns the release that this made, if there was one before.
    /// If it fails, nothing is left, or what is left goes as soon as it can.
    pub async fn create(
        &self,
        asked: NewAddon,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, AddonError> {
        self.offers(asked.service)?;
        let name = asked.name.clone();
        let answer = self.wait_for(&name, Wish::Made);
        let create = Command::Addon(AddonCommand::Create(asked));
        match self.0.control.command(create, actor, key).await {
            Ok(accepted) if accepted.repeated => {
                self.forget(&name, Wish::Made, answer);
                Ok(accepted)
            }
            Ok(_) => {
                let version = self.answered(&name, answer).await?;
                let repeated = false;
                Ok(Accepted { version, repeated })
            }
            Err(refused) => {
                self.forget(&name, Wish::Made, answer);
                Err(refused.into())
            }
        }
    }

    /// Has an add-on go, with all that is in it.
    pub async fn destroy(&self, addon: &Addon, actor: Actor) -> Result<Destroyed, AddonError> {
        self.offers(addon.request.service)?;
        let name = addon.request.name.clone();
        let answer = self.wait_for(&name, Wish::Gone);
        let addon = name.clone();
        let destroy = Command::Addon(AddonCommand::Destroy { addon });
        if let Err(refused) = self.0.control.command(destroy, actor, None).await {
            self.forget(&name, Wish::Gone, answer);
            return Err(refused.into());
        }
        self.0.nudge.notify_one();
        match self.answered(&name, answer).await {
            Ok(_) => Ok(Destroyed::Wholly),
            Err(_) => Ok(Destroyed::Later),
        }
    }

    /// What comes of the next attempt.
    fn wait_for(&self, addon: &AddonName, wish: Wish) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting();
        let waiters = waiting.entry((addon.clone(), wish)).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(answer);
        answered
    }

    async fn answered(&self, addon: &AddonName, answer: oneshot::Receiver<Answer>) -> Answer {
        let late = || {
            let why = format!("{addon} is still being worked on: see `dyno addons`");
            ProvisionError::Overtaken(why)
        };
        match timeout(ANSWER_MAX, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }

    /// One waits no more for what was not begun; others may.
    fn forget(&self, addon: &AddonName, wish: Wish, answer: oneshot::Receiver<Answer>) {
        drop(answer);
        let mut waiting = self.waiting();
        let key = (addon.clone(), wish);
        if let Some(waiters) = waiting.get_mut(&key) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                waiting.remove(&key);
            }
        }
    }

    fn tell(&self, addon: &AddonName, wish: Wish, answer: &Answer) {
        let waiters = self.waiting().remove(&(addon.clone(), wish));
        for waiter in waiters.into_iter().flatten() {
            // Whoever asked may have gone.
            let _ = waiter.send(answer.clone());
        }
    }

    fn is_waited_for(&self, addon: &AddonName, wish: Wish) -> bool {
        self.waiting().contains_key(&(addon.clone(), wish))
    }

    /// A panic elsewhere leaves the map whole.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the ledger, in the name of whoever asked for the add-on.
    async fn note(&self, asked: &NewAddon, command: AddonCommand) -> Result<Accepted, Refused> {
        let actor = Actor::now(&asked.created_by);
        let command = Command::Addon(command);
        self.0.control.command(command, actor, None).await
    }

    /// One attempt to make an add-on, and to take it back if that fails.
    async fn make(&self, asked: &NewAddon, doomed: bool) -> End {
        let addon = &asked.name;
        // Whoever asked it in this run of the server: so nothing was there before.
        let fresh = self.is_waited_for(addon, Wish::Made);
        let answer = match doomed {
            true => Err(ProvisionError::Overtaken("it failed before".to_owned())),
            false => self.try_make(asked).await,
        };
        let end = match &answer {
            Ok(_) => End::Done,
            Err(error) if fresh && error.made_nothing() => self.gone(asked).await,
            Err(_) => self.take_back(asked).await,
        };
        self.tell(addon, Wish::Made, &answer);
        end
    }

    async fn try_make(&self, asked: &NewAddon) -> Answer {
        let server = self.0.servers.get(asked.service)?;
        let _one_by_one = match asked.service {
            AddonService::Redis => Some(self.0.numbers.lock().await),
            AddonService::Postgresql | AddonService::Memcached => None,
        };
        let numbers = self.numbers();
        let made = timeout(CREATE_MAX, server.create(asked, &numbers)).await;
        let made = made.unwrap_or_else(|_| {
            Err(ProvisionError::Timeout {
                service: asked.service,
                place: server.place(),
            })
        })?;
        let addon = asked.name.clone();
        let noted = self.note(asked, AddonCommand::Made { addon, made }).await;
        let accepted = noted.map_err(|refused| ProvisionError::Overtaken(refused.to_string()))?;
        Ok(accepted.version)
    }

    /// Numbers of Redis databases that add-ons have.
    fn numbers(&self) -> BTreeSet<u16> {
        let view = self.0.control.view();
        let all = view.desired.addons.values();
        all.filter_map(|addon| match &addon.state {
            AddonState::Ready(made) | AddonState::Destroying(Some(made)) => made.number,
            AddonState::Creating | AddonState::Destroying(None) => None,
        })
        .collect()
    }

    /// Removes what was made of an add-on that was not made, now or later.
    async fn take_back(&self, asked: &NewAddon) -> End {
        let removed = match self.0.servers.get(asked.service) {
            Ok(server) => timeout(TAKE_BACK_MAX, server.destroy(asked, None)).await,
            Err(error) => Ok(Err(error)),
        };
        if let Ok(Ok(())) = removed {
            return self.gone(asked).await;
        }
        let addon = asked.name.clone();
        match self.note(asked, AddonCommand::Destroy { addon }).await {
            Ok(_) | Err(Refused::Rejected(_)) => End::Again(None),
            Err(_) => End::Doomed,
        }
    }

    /// Says that nothing is left. What does not fit any more has been said by another.
    async fn gone(&self, asked: &NewAddon) -> End {
        let addon = asked.name.clone();
        match self.note(asked, AddonCommand::Gone { addon }).await {
            Ok(_) | Err(Refused::Rejected(_)) => End::Done,
            Err(_) => End::Doomed,
        }
    }

    /// One attempt to destroy an add-on.
    async fn destroy_now(&self, asked: &NewAddon, made: Option<&AddonDetails>) -> End {
        let removed = match self.0.servers.get(asked.service) {
            Ok(server) => {
                let removed = timeout(DESTROY_MAX, server.destroy(asked, made)).await;
                let (service, place) = (asked.service, server.place());
                removed.unwrap_or(Err(ProvisionError::Timeout { service, place }))
            }
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => {
                let end = self.gone(asked).await;
                self.tell(&asked.name, Wish::Gone, &Ok(None));
                end
            }
            Err(error) => {
                self.tell(&asked.name, Wish::Gone, &Err(error.clone()));
                End::Again(Some(error))
            }
        }
    }

    /// Sees to it that the server knows what it was told of an add-on. What cannot be done now is done the next time.
    async fn tend(&self, addon: &AddonName) {
        let view = self.0.control.view();
        if let Some(addon) = view.desired.addons.get(addon)
            && let AddonState::Ready(made) = &addon.state
            && let Ok(server) = self.0.servers.get(addon.request.service)
        {
            let _ = timeout(TAKE_BACK_MAX, server.tend(&addon.request, made)).await;
        }
    }
}

/// How an attempt ended.
#[derive(Debug)]
enum End {
    /// The ledger says the rest.
    Done,
    /// It is to be tried again, after a pause.
    Again(Option<ProvisionError>),
    /// It is to be taken back, and the ledger could not be told.
    Doomed,
}

/// What is being done, to one add-on: nothing else is done to it meanwhile.
#[derive(Debug)]
enum Work {
    Change(AddonName),
    Tend(AddonName),
}

impl Work {
    fn addon(&self) -> &AddonName {
        match self {
            Work::Change(addon) | Work::Tend(addon) => addon,
        }
    }
}

/// The task that makes and destroys add-ons; one for a server.
#[derive(Debug)]
pub struct Keeper {
    addons: Addons,
    tasks: JoinSet<End>,
    busy: BTreeMap<tokio::task::Id, Work>,
    /// When add-ons are tried again, and the pause before.
    retries: BTreeMap<AddonName, (Instant, Duration)>,
    /// Those that somebody was told are not made.
    doomed: BTreeSet<AddonName>,
    /// Those that are to be tended, one after the other, before all are again at this time.
    untended: Vec<AddonName>,
    tend_at: Instant,
}

impl Keeper {
    /// Does what the ledger says, until it is dropped. `warn` is told for the operator what cannot be destroyed now.
    pub async fn run(mut self, warn: impl Fn(String)) {
        let mut views = self.addons.0.control.views();
        loop {
            views.borrow_and_update();
            self.begin();
            self.tend();
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
            let addons = self.addons.clone();
            tokio::select! {
                changed = views.changed() => if changed.is_err() {
                    return;
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended, &warn),
                () = addons.0.nudge.notified() => self.retries.clear(),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Begins what is to be done and may be done now.
    fn begin(&mut self) {
        let view = self.addons.0.control.view();
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
            let (addons, addon) = (self.addons.clone(), addon.clone());
            let doomed = self.doomed.contains(name);
            self.spawn(Work::Change(name.clone()), async move {
                match &addon.state {
                    AddonState::Creating => addons.make(&addon.request, doomed).await,
                    AddonState::Destroying(made) => {
                        addons.destroy_now(&addon.request, made.as_ref()).await
                    }
                    AddonState::Ready(_) => End::Done,
                }
            });
        }
    }

    /// Tends the next add-on, if none is being tended.
    fn tend(&mut self) {
        if self.busy.values().any(|work| matches!(work, Work::Tend(_))) {
            return;
        }
        if self.untended.is_empty() && self.tend_at <= Instant::now() {
            self.tend_at = Instant::now() + TEND_EVERY;
            let view = self.addons.0.control.view();
            self.untended = view.desired.addons.keys().cloned().collect();
        }
        while let Some(addon) = self.untended.pop() {
            if self.busy.values().any(|work| *work.addon() == addon) {
                continue;
            }
            let addons = self.addons.clone();
            self.spawn(Work::Tend(addon.clone()), async move {
                addons.tend(&addon).await;
                End::Done
            });
            return;
        }
    }

    fn spawn(&mut self, work: Work, task: impl Future<Output = End> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.busy.insert(id, work);
    }

    fn ended(
        &mut self,
        ended: Result<(tokio::task::Id, End), tokio::task::JoinError>,
        warn: &impl Fn(String),
    ) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, end),
            // Whatever it was is tried again.
            Err(panic) => (panic.id(), End::Again(None)),
        };
        let Some(Work::Change(name)) = self.busy.remove(&id) else {
            return;
        };
        let error = match end {
            End::Done => {
                self.retries.remove(&name);
                return;
            }
            End::Again(error) => error,
            End::Doomed => {
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

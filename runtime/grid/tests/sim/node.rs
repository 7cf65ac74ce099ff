//! A simulated node that carries out steps as a real node does.
//!
//! Owns the actual state of its dynos. Must not know the planner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grid::desired::Release;
use grid::lifecycle::{DynoState, ONCE_LEASE};
use grid::name::{AppName, DynoKey, NodeId, ReleaseId, Run, SlugId};
use grid::protocol::{
    CrashCause, Heartbeats, Inventory, InventoryDyno, OneOff, ProcessExit, Report, Step,
};
use grid::time::Time;

/// The behaviour of all dynos of one slug.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(crate) boot: Boot,
    /// Whether the slug can be fetched.
    pub(crate) fetches: bool,
    /// The time that a draining dyno needs to finish its work.
    pub(crate) drain: Duration,
    /// How the release process ends, if the release has one.
    pub(crate) release: Ending,
}

/// How a one-off or release process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// Ends after this time, with this exit code.
    Code(Duration, u8),
    /// Does not end by itself.
    Never,
}

#[derive(Clone, Debug)]
pub(crate) enum Boot {
    /// The dyno is up after this time.
    Up(Duration),
    /// The dyno crashes after this time.
    Crash(Duration),
    /// The dyno never reports anything.
    Never,
}

impl Behaviour {
    pub(crate) const GOOD: Behaviour = Behaviour {
        boot: Boot::Up(Duration::from_millis(20)),
        fetches: true,
        drain: Duration::from_millis(100),
        release: Ending::Code(Duration::from_millis(200), 0),
    };

    pub(crate) fn is_good(&self) -> bool {
        let boots = matches!(self.boot, Boot::Up(time) if time < Duration::from_secs(60));
        self.fetches && boots && matches!(self.release, Ending::Code(_, 0))
    }
}

/// The actual state of one dyno.
pub(crate) struct SimDyno {
    pub(crate) release: ReleaseId,
    pub(crate) slug: SlugId,
    pub(crate) up: bool,
    pub(crate) served: bool,
    draining: bool,
    /// Whether the router has the handle.
    handle_out: bool,
    /// The dyno drains and has finished its work, except for a running request.
    drained: bool,
    memory_bytes: u64,
    behaviour: Behaviour,
}

/// A simulated machine.
pub(crate) struct SimNode {
    pub(crate) id: NodeId,
    pub(crate) alive: bool,
    /// Whether an operator removed the machine, which never comes back.
    pub(crate) removed: bool,
    /// Whether the node is on the side of a reconciler that was cut off.
    pub(crate) with_former: bool,
    /// Whether the network to the node is cut, in both directions.
    pub(crate) cut: bool,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) incarnation: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) dynos_max: u32,
    pub(crate) dynos: BTreeMap<DynoKey, SimDyno>,
    /// When the node last heard the reconciler.
    heard: Time,
    last_run: Run,
    serial: u64,
    fetched: BTreeMap<(AppName, ReleaseId), Fetched>,
}

/// A release on a node: its slug's behaviour, and the memory of each process type.
#[derive(Clone)]
struct Fetched {
    slug: SlugId,
    behaviour: Behaviour,
    memory_bytes: BTreeMap<String, u64>,
}

/// A delayed effect of a step.
pub(crate) enum Later {
    Say(Report),
    Booted(DynoKey),
    Finished(DynoKey),
    Exited(DynoKey, u8),
}

/// Duration of a fetch.
const FETCH: Duration = Duration::from_millis(50);

impl SimNode {
    pub(crate) fn new(
        id: NodeId,
        heartbeats: Heartbeats,
        memory_bytes: u64,
        dynos_max: u32,
    ) -> Self {
        SimNode {
            id,
            alive: true,
            removed: false,
            with_former: false,
            cut: false,
            heartbeats,
            incarnation: 0,
            memory_bytes,
            dynos_max,
            dynos: BTreeMap::new(),
            heard: Time::ZERO,
            last_run: Run(0),
            serial: 0,
            fetched: BTreeMap::new(),
        }
    }

    /// Notes whether the node hears a reconciler now. A node of a grid that has not heard it for the time of the lease
    /// ends what must not run twice.
    pub(crate) fn renew_lease(&mut self, hears_leader: bool, now: Time) {
        if hears_leader {
            self.heard = now;
        } else if self.heartbeats == Heartbeats::Expected && now >= self.heard + ONCE_LEASE {
            self.dynos.retain(|key, _| !key.dyno.process.runs_once());
        }
    }

    pub(crate) fn reachable(&self) -> bool {
        self.alive && !self.cut
    }

    pub(crate) fn die(&mut self) {
        self.alive = false;
        self.dynos.clear();
        self.fetched.clear();
        self.last_run = Run(0);
    }

    pub(crate) fn revive(&mut self) {
        if !self.alive && !self.removed {
            self.alive = true;
            self.incarnation += 1;
        }
    }

    pub(crate) fn inventory(&mut self) -> Report {
        self.serial += 1;
        let dynos = self.dynos.iter().map(|(key, dyno)| InventoryDyno {
            dyno: key.clone(),
            release: dyno.release,
            state: match (dyno.draining, dyno.up) {
                (true, _) => DynoState::Draining,
                (false, true) => DynoState::Up,
                (false, false) => DynoState::Starting,
            },
            memory_bytes: dyno.memory_bytes,
        });
        Report::Node(Inventory {
            node: self.id.clone(),
            incarnation: self.incarnation,
            serial: self.serial,
            heartbeats: self.heartbeats,
            memory_bytes: self.memory_bytes,
            dynos_max: self.dynos_max,
            last_run: self.last_run,
            dynos: dynos.collect(),
            releases: self.fetched.keys().cloned().collect(),
        })
    }

    /// Carries out a step. An error means that the planner should never have sent the step.
    pub(crate) fn take(
        &mut self,
        step: &Step,
        behaviours: &BTreeMap<SlugId, Behaviour>,
    ) -> Result<Vec<(Duration, Later)>, String> {
        match step {
            Step::Fetch {
                app,
                release,
                contents,
                ..
            } => Ok(vec![(
                FETCH,
                Later::Say(self.fetch(app, *release, contents, behaviours)),
            )]),
            Step::Start {
                dyno,
                release,
                asleep,
                ..
            } => self.start(dyno, *release, *asleep),
            Step::Run { dyno, release, .. } => {
                if self.has_passed(dyno) {
                    return Ok(Vec::new());
                }
                let mut later = self.start(dyno, *release, true)?;
                let behaviour = self.dynos.get(dyno).map(|there| there.behaviour.release);
                later.clear();
                later.push((Duration::ZERO, Later::Say(self.up(dyno))));
                if let Some(Ending::Code(time, code)) = behaviour {
                    later.push((time, Later::Exited(dyno.clone(), code)));
                }
                Ok(later)
            }
            Step::Drain { dyno, .. } => Ok(match self.dynos.get_mut(dyno) {
                Some(there) => {
                    there.draining = true;
                    vec![(there.behaviour.drain, Later::Finished(dyno.clone()))]
                }
                None => vec![(Duration::ZERO, Later::Say(self.down(dyno)))],
            }),
            Step::Stop { dyno, .. } => {
                self.dynos.remove(dyno);
                // Its start may still be under way, and must have no effect.
                self.last_run = self.last_run.max(dyno.run);
                Ok(vec![(Duration::ZERO, Later::Say(self.down(dyno)))])
            }
            Step::Forget { app, release, .. } => {
                self.fetched.remove(&(app.clone(), *release));
                Ok(Vec::new())
            }
            Step::Publish { .. } | Step::Withdraw { .. } | Step::Record { .. } => Ok(Vec::new()),
        }
    }

    /// Gets a release, if its slug can be had.
    fn fetch(
        &mut self,
        app: &AppName,
        release: ReleaseId,
        contents: &Release,
        behaviours: &BTreeMap<SlugId, Behaviour>,
    ) -> Report {
        let behaviour = behaviours[&contents.slug].clone();
        let result = if behaviour.fetches {
            Ok(())
        } else {
            Err("no such slug".into())
        };
        if result.is_ok() {
            let sizes = contents.processes.iter();
            let memory_bytes = sizes.map(|(p, spec)| (p.to_string(), spec.limits.memory_bytes));
            let fetched = Fetched {
                slug: contents.slug,
                behaviour,
                memory_bytes: memory_bytes.collect(),
            };
            self.fetched.insert((app.clone(), release), fetched);
        }
        Report::Fetched {
            node: self.id.clone(),
            app: app.clone(),
            release,
            result,
        }
    }

    /// Whether a step that starts this dyno is a repeated one, or came after a later one. Only the steps for another
    /// machine can.
    fn has_passed(&self, key: &DynoKey) -> bool {
        self.heartbeats == Heartbeats::Expected && self.last_run >= key.run
    }

    /// Says that a start has arrived, if the reconciler is on another machine.
    fn accept(&self, key: &DynoKey) -> Option<(Duration, Later)> {
        let accepted = Report::Accepted {
            node: self.id.clone(),
            dyno: key.clone(),
        };
        let remote = self.heartbeats == Heartbeats::Expected;
        remote.then_some((Duration::ZERO, Later::Say(accepted)))
    }

    fn start(
        &mut self,
        key: &DynoKey,
        release: ReleaseId,
        asleep: bool,
    ) -> Result<Vec<(Duration, Later)>, String> {
        if self.has_passed(key) {
            return Ok(Vec::new());
        }
        if self.last_run >= key.run {
            return Err(format!(
                "{key} on {} comes after run {}",
                self.id, self.last_run
            ));
        }
        let Some(fetched) = self.fetched.get(&(key.app.clone(), release)).cloned() else {
            return Err(format!("{key} starts on {} without its slug", self.id));
        };
        self.last_run = key.run;
        let dyno = SimDyno {
            release,
            slug: fetched.slug,
            up: asleep,
            served: false,
            draining: false,
            handle_out: false,
            drained: false,
            memory_bytes: fetched.memory_bytes[key.dyno.process.as_str()],
            behaviour: fetched.behaviour,
        };
        let boot = match dyno.behaviour.boot {
            Boot::Up(time) | Boot::Crash(time) => Some(time),
            Boot::Never => None,
        };
        self.dynos.insert(key.clone(), dyno);
        let used: u64 = self.dynos.values().map(|dyno| dyno.memory_bytes).sum();
        if used > self.memory_bytes || self.dynos.len() > self.dynos_max as usize {
            return Err(format!("{} is over capacity with {key}", self.id));
        }
        if asleep {
            let idle = Report::Idle {
                node: self.id.clone(),
                dyno: key.clone(),
            };
            return Ok(vec![(Duration::ZERO, Later::Say(idle))]);
        }
        let boot = boot.map(|time| (time, Later::Booted(key.clone())));
        Ok(self.accept(key).into_iter().chain(boot).collect())
    }

    pub(crate) fn booted(&mut self, key: &DynoKey) -> Option<Report> {
        let dyno = self.dynos.get_mut(key)?;
        if let Boot::Crash(_) = dyno.behaviour.boot {
            return self.crash(key, CrashCause::Boot, "it failed to boot");
        }
        dyno.up = true;
        Some(self.up(key))
    }

    /// Starts a one-off dyno.
    pub(crate) fn begin(&mut self, one_off: &OneOff, slug: SlugId) -> Report {
        let key = &one_off.dyno;
        self.last_run = self.last_run.max(key.run);
        let dyno = SimDyno {
            release: one_off.release,
            slug,
            up: true,
            served: false,
            draining: false,
            handle_out: false,
            drained: false,
            memory_bytes: one_off.memory_bytes,
            behaviour: Behaviour::GOOD,
        };
        self.dynos.insert(key.clone(), dyno);
        self.up(key)
    }

    /// A one-off or release process exits.
    pub(crate) fn exited(&mut self, key: &DynoKey, code: u8) -> Option<Report> {
        self.dynos.remove(key).map(|_| Report::Exited {
            node: self.id.clone(),
            dyno: key.clone(),
            exit: ProcessExit::Code(code),
        })
    }

    fn up(&self, key: &DynoKey) -> Report {
        Report::Up {
            node: self.id.clone(),
            dyno: key.clone(),
        }
    }

    /// A draining dyno has finished its work, except for a running request.
    pub(crate) fn finished(&mut self, key: &DynoKey) -> Option<Report> {
        let dyno = self.dynos.get_mut(key)?;
        dyno.drained = true;
        self.end_drained(key)
    }

    fn end_drained(&mut self, key: &DynoKey) -> Option<Report> {
        let dyno = self.dynos.get(key)?;
        if dyno.handle_out || !dyno.drained {
            return None;
        }
        self.dynos.remove(key).map(|_| self.down(key))
    }

    /// Hands the single handle of a dyno to the router, if the node has the handle.
    pub(crate) fn take_handle(&mut self, key: &DynoKey) -> bool {
        let Some(dyno) = self.dynos.get_mut(key) else {
            return false;
        };
        let parked = dyno.up && !dyno.draining && !dyno.handle_out;
        dyno.handle_out |= parked;
        parked
    }

    /// The router returns the handle of a dyno.
    pub(crate) fn return_handle(&mut self, key: &DynoKey) -> Option<Report> {
        self.dynos.get_mut(key)?.handle_out = false;
        self.end_drained(key)
    }

    /// A dyno has completed a request.
    pub(crate) fn note_served(&mut self, key: &DynoKey) {
        if let Some(dyno) = self.dynos.get_mut(key) {
            dyno.served = true;
        }
    }

    pub(crate) fn crash(
        &mut self,
        key: &DynoKey,
        cause: CrashCause,
        reason: &str,
    ) -> Option<Report> {
        let dyno = self.dynos.remove(key)?;
        let (node, dyno_key, reason) = (self.id.clone(), key.clone(), reason.to_owned());
        // Every web dyno of the simulator is a handler.
        let in_request = key.dyno.process.is_web() && cause != CrashCause::Boot;
        Some(Report::Crashed {
            node,
            dyno: dyno_key,
            reason,
            cause,
            served: dyno.served,
            in_request,
        })
    }

    fn down(&self, key: &DynoKey) -> Report {
        Report::Down {
            node: self.id.clone(),
            dyno: key.clone(),
        }
    }

    /// The releases on the node, to check what is forgotten.
    pub(crate) fn releases(&self) -> BTreeSet<(AppName, ReleaseId)> {
        self.fetched.keys().cloned().collect()
    }

    /// Whether a dyno drains.
    pub(crate) fn is_draining(&self, key: &DynoKey) -> bool {
        self.dynos.get(key).is_some_and(|dyno| dyno.draining)
    }
}

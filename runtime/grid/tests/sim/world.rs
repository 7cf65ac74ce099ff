//! A world in virtual time: a reconciler, nodes, a router, and the messages between them.
//!
//! Owns time and the order of events. Must not decide anything that the planner decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grid::check::{self, CheckDepth};
use grid::desired::{DesiredState, Fact};
use grid::name::{AppName, DynoId, DynoKey, NodeId, Run, SlugId};
use grid::observed::ObservedState;
use grid::plan::{PlanNote, Policy, place_one_off};
use grid::protocol::{Heartbeats, Report, Route, RouteTarget, Step};
use grid::time::Time;

use crate::former::FormerReconciler;
use crate::node::{Behaviour, Later, SimNode};
use crate::requests::{RequestEvent, SimRouter};
use crate::rng::Rng;
use crate::transcript::Transcript;

/// Something that will happen.
pub(crate) enum Happening {
    Heard(Report),
    OnNode(NodeId, u64, Later),
    /// A step arrives at this incarnation of its node.
    Step(NodeId, u64, Step),
    Heartbeat(NodeId),
    Inventory(NodeId),
    HeardByFormer(Report),
    FormerWakes,
    Request(RequestEvent),
}

/// The faults of reports: probabilities in per cent, and the longest delay in milliseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    pub(crate) late_millis_max: u64,
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) desired: DesiredState,
    pub(crate) observed: ObservedState,
    pub(crate) nodes: BTreeMap<NodeId, SimNode>,
    pub(crate) behaviours: BTreeMap<SlugId, Behaviour>,
    pub(crate) faults: Faults,
    pub(crate) policy: Policy,
    pub(crate) rng: Rng,
    pub(crate) transcript: Transcript,
    pub(crate) notes: BTreeSet<PlanNote>,
    pub(crate) router: SimRouter,
    pub(crate) former: Option<FormerReconciler>,
    ledger: Vec<Fact>,
    /// Every run that a reconciler gave out, with its dyno and node.
    given_out: BTreeMap<Run, (DynoKey, NodeId)>,
    routes: BTreeMap<AppName, Route>,
    queue: BTreeMap<(Time, u64), Happening>,
    queued: u64,
    wake_at: Option<Time>,
    planned: Time,
    plans: u64,
}

/// Transit time of a message.
const HOP: Duration = Duration::from_millis(1);
/// Memory of a one-off dyno, in bytes.
const ONE_OFF_BYTES: u64 = 64 * 1024 * 1024;
const HEARTBEAT: Duration = Duration::from_secs(1);
const INVENTORY: Duration = Duration::from_secs(10);
/// One of this many plans is made twice, to check that both are equal.
const DEEP_EVERY: u64 = 8;
/// Maximum number of plans in a run; more plans mean an endless loop.
const PLANS_MAX: u32 = 20_000;

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let ledger = vec![Fact::ReconcilerStarted];
        let desired = DesiredState::from_facts(&ledger).expect("one fact fits");
        World {
            now: Time::ZERO,
            observed: ObservedState::new(&desired, seed, Time::ZERO),
            desired,
            nodes: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            faults: Faults::default(),
            policy: Policy::default(),
            rng: Rng::new(seed),
            transcript: Transcript::default(),
            notes: BTreeSet::new(),
            router: SimRouter::default(),
            former: None,
            ledger,
            given_out: BTreeMap::new(),
            routes: BTreeMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
            wake_at: None,
            planned: Time::ZERO,
            plans: 0,
        }
    }

    pub(crate) fn at(&mut self, time: Time, happening: Happening) {
        self.queued += 1;
        self.queue.insert((time, self.queued), happening);
    }

    pub(crate) fn join(&mut self, node: SimNode) -> Result<(), String> {
        let id = node.id.clone();
        let heartbeats = node.heartbeats;
        self.nodes.insert(id.clone(), node);
        self.at(self.now + INVENTORY, Happening::Inventory(id.clone()));
        if heartbeats == Heartbeats::Expected {
            self.at(self.now + HEARTBEAT, Happening::Heartbeat(id.clone()));
        }
        self.send_inventory(&id);
        Ok(())
    }

    pub(crate) fn send_inventory(&mut self, id: &NodeId) {
        if let Some(report) = self
            .nodes
            .get_mut(id)
            .filter(|node| node.reachable() || node.with_former)
            .filter(|node| node.alive)
            .map(|node| node.inventory())
        {
            self.say(report);
        }
    }

    /// Sends a report of a node, which may be lost, repeated or late.
    pub(crate) fn say(&mut self, report: Report) {
        let Some(node) = self.nodes.get(report.node()) else {
            return;
        };
        if node.alive && node.with_former {
            self.at(self.now + HOP, Happening::HeardByFormer(report));
            return;
        }
        if !node.reachable() {
            return;
        }
        for _ in 0..self.count_copies() {
            let late = self.draw_delay();
            self.at(self.now + HOP + late, Happening::Heard(report.clone()));
        }
    }

    pub(crate) fn append(&mut self, fact: Fact) -> Result<(), String> {
        self.desired
            .apply_fact(&fact)
            .map_err(|misfit| misfit.to_string())?;
        self.ledger.push(fact);
        self.decide()
    }

    /// Ends the reconciler. A new reconciler takes over with nothing but the ledger.
    pub(crate) fn replace_reconciler(&mut self) -> Result<(), String> {
        self.ledger.push(Fact::ReconcilerStarted);
        let replayed =
            DesiredState::from_facts(&self.ledger).map_err(|misfit| misfit.to_string())?;
        self.desired = replayed;
        self.observed = ObservedState::new(&self.desired, self.observed.seed, self.now);
        // Reports in transit were addressed to the old reconciler. A node sends its inventory to the new one when it has
        // heard of it, and refuses the steps of the old one from then on.
        self.queue
            .retain(|_, happening| !matches!(happening, Happening::Heard(_) | Happening::Step(..)));
        let ids: Vec<NodeId> = self.nodes.keys().cloned().collect();
        for id in ids {
            self.send_inventory(&id);
        }
        self.decide()
    }

    /// Advances the virtual time.
    pub(crate) fn run(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        let mut plans = 0;
        loop {
            let next = self.queue.keys().next().map(|(at, _)| *at);
            let death = self.observed.next_death(self.planned);
            let wake = [self.wake_at, death].into_iter().flatten().min();
            let wake = wake.filter(|wake| next.is_none_or(|next| *wake < next));
            let Some(at) = wake.or(next).filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            let happens = if wake.is_some() { true } else { self.happen()? };
            if happens {
                self.decide()?;
                plans += 1;
            }
            self.break_off_requests()?;
            if plans > PLANS_MAX {
                return Err("it goes round in circles".into());
            }
        }
        self.now = end;
        Ok(())
    }

    /// Takes the next event. Returns whether the reconciler gets a report.
    fn happen(&mut self) -> Result<bool, String> {
        let Some((_, happening)) = self.queue.pop_first() else {
            return Ok(false);
        };
        match happening {
            Happening::Heard(report) => {
                let news = self.observed.is_news(&report, self.now);
                let changes = self.observed.apply_report(&report, self.now);
                for change in &changes {
                    self.transcript.change(self.now, change);
                }
                return Ok(news);
            }
            Happening::Request(event) => self.on_request(event)?,
            Happening::OnNode(id, incarnation, later) => self.on_node(&id, incarnation, later),
            Happening::Heartbeat(id) => {
                let beat = self.nodes.get(&id).map(|n| Report::Heartbeat {
                    node: id.clone(),
                    incarnation: n.incarnation,
                });
                beat.into_iter().for_each(|beat| self.say(beat));
                let (now, hears_leader) = (self.now, self.hears_leader(&id));
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.renew_lease(hears_leader, now);
                }
                self.at(self.now + HEARTBEAT, Happening::Heartbeat(id));
            }
            Happening::HeardByFormer(report) => self.on_report_to_former(&report)?,
            Happening::FormerWakes => self.wake_former()?,
            Happening::Step(id, incarnation, step) => self.take_step(&id, incarnation, &step)?,
            Happening::Inventory(id) => {
                self.send_inventory(&id);
                self.at(self.now + INVENTORY, Happening::Inventory(id));
            }
        }
        Ok(false)
    }

    fn on_node(&mut self, id: &NodeId, incarnation: u64, later: Later) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        if !node.alive || node.incarnation != incarnation {
            return;
        }
        let report = match later {
            Later::Say(report) => Some(report),
            Later::Booted(key) => node.booted(&key),
            Later::Finished(key) => node.finished(&key),
            Later::Exited(key, code) => node.exited(&key, code),
        };
        report.into_iter().for_each(|report| self.say(report));
    }

    /// Plans, checks the plan, and carries it out.
    pub(crate) fn decide(&mut self) -> Result<(), String> {
        self.observed.forget_outdated(&self.desired);
        self.plans += 1;
        let depth = if self.plans.is_multiple_of(DEEP_EVERY) {
            CheckDepth::All
        } else {
            CheckDepth::OnePlan
        };
        let (plan, violations) =
            check::checked_plan(&self.desired, &self.observed, &self.policy, self.now, depth);
        if let Some(violation) = violations.first() {
            return Err(format!(
                "at {}: {violation}\n{}",
                self.now,
                self.transcript.text()
            ));
        }
        for step in &plan.steps {
            self.transcript.step(self.now, step);
            if let Step::Record { fact } = step {
                self.desired
                    .apply_fact(fact)
                    .map_err(|misfit| misfit.to_string())?;
                self.ledger.push(fact.clone());
                continue;
            }
            let change = self.observed.issue_step(step, &self.desired, self.now);
            if let Some(change) = change {
                self.transcript.change(self.now, &change);
            }
            self.carry_out(step)
                .map_err(|what| format!("at {}: {what}\n{}", self.now, self.transcript.text()))?;
        }
        self.transcript.notes(self.now, &plan.notes);
        self.notes = plan.notes;
        self.wake_at = plan.wake_at;
        self.planned = self.now;
        Ok(())
    }

    /// No run is given out twice. A start that is repeated is for the same dyno on the same node.
    pub(crate) fn give_out_run(&mut self, dyno: &DynoKey, node: &NodeId) -> Result<(), String> {
        let first = self.given_out.entry(dyno.run);
        let first = first.or_insert_with(|| (dyno.clone(), node.clone()));
        if *first == (dyno.clone(), node.clone()) {
            return Ok(());
        }
        Err(format!(
            "{dyno} on {node} has the run of {} on {}",
            first.0, first.1
        ))
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        if let Step::Start { node, dyno, .. } | Step::Run { node, dyno, .. } = step {
            self.give_out_run(dyno, node)?;
        }
        let node = match step {
            Step::Publish { route } => return self.publish(route),
            Step::Withdraw { app } => {
                self.routes.remove(app);
                return self.withdraw_line(app);
            }
            Step::Record { .. } => return Ok(()),
            Step::Drain { dyno, node, .. } => {
                if self.in_route(dyno) {
                    return Err(format!("{dyno} drains while the router knows it"));
                }
                node
            }
            Step::Fetch { node, .. }
            | Step::Start { node, .. }
            | Step::Run { node, .. }
            | Step::Stop { node, .. }
            | Step::Forget { node, .. } => node,
        };
        let Some(sim) = self.nodes.get_mut(node).filter(|node| node.reachable()) else {
            return Ok(());
        };
        let incarnation = sim.incarnation;
        // A step is addressed to one incarnation of a node; a node that has restarted since does not get it.
        if self
            .observed
            .nodes
            .get(node)
            .is_none_or(|known| known.incarnation != incarnation)
        {
            return Ok(());
        }
        if sim.heartbeats == Heartbeats::Needless {
            return self.take_step(node, incarnation, step);
        }
        // The way to another machine: a step may be lost, repeated, late, and so overtaken.
        for _ in 0..self.count_copies() {
            let late = self.draw_delay();
            let arrival = Happening::Step(node.clone(), incarnation, step.clone());
            self.at(self.now + late, arrival);
        }
        Ok(())
    }

    /// A step arrives at a node, unless the node has been cut off or restarted meanwhile.
    pub(crate) fn take_step(
        &mut self,
        id: &NodeId,
        incarnation: u64,
        step: &Step,
    ) -> Result<(), String> {
        let node = self.nodes.get_mut(id);
        let node = node.filter(|node| node.reachable() || (node.alive && node.with_former));
        let Some(node) = node.filter(|node| node.incarnation == incarnation) else {
            return Ok(());
        };
        for (delay, later) in node.take(step, &self.behaviours)? {
            self.at(
                self.now + HOP + delay,
                Happening::OnNode(id.clone(), incarnation, later),
            );
        }
        self.check_release_processes()
    }

    /// No app has two release processes at a time, on whichever side of a cut.
    fn check_release_processes(&self) -> Result<(), String> {
        let dynos = self.nodes.values().flat_map(|node| node.dynos.keys());
        let mut running = BTreeSet::new();
        for key in dynos.filter(|key| key.dyno.process.is_release()) {
            if !running.insert(&key.app) {
                let text = self.transcript.text();
                return Err(format!("two release processes of {}\n{text}", key.app));
            }
        }
        Ok(())
    }

    /// How many copies of a message arrive.
    fn count_copies(&mut self) -> usize {
        let sent = 1 + usize::from(self.rng.percent(self.faults.repeat_percent));
        let lost = (0..sent).filter(|_| self.rng.percent(self.faults.loss_percent));
        sent - lost.count()
    }

    fn draw_delay(&mut self) -> Duration {
        Duration::from_millis(self.rng.below(self.faults.late_millis_max + 1))
    }

    fn publish(&mut self, route: &Route) -> Result<(), String> {
        let known = self.routes.insert(route.app.clone(), route.clone());
        if known.is_some_and(|known| known.generation >= route.generation) {
            return Err(format!(
                "the router refuses generation {}",
                route.generation
            ));
        }
        if let RouteTarget::Dynos(dynos) = &route.target
            && let Some(key) = dynos
                .iter()
                .map(|routed| &routed.dyno)
                .find(|key| self.is_draining(key))
        {
            return Err(format!("{key} drains and is in the route"));
        }
        self.publish_to_line(route)
    }

    fn is_draining(&self, key: &DynoKey) -> bool {
        self.nodes.values().any(|node| node.is_draining(key))
    }

    fn in_route(&self, key: &DynoKey) -> bool {
        let route = self.routes.get(&key.app).map(|route| &route.target);
        matches!(route, Some(RouteTarget::Dynos(dynos)) if dynos.iter().any(|routed| routed.dyno == *key))
    }

    /// Starts a one-off dyno of an app, if a node has room.
    pub(crate) fn begin(&mut self, app: &AppName) -> Result<(), String> {
        let made = place_one_off(&self.desired, &self.observed, app, ONE_OFF_BYTES, self.now);
        let made = match made {
            Ok(made) => made,
            Err(refused) => {
                self.transcript
                    .line(self.now, &format!("  refused: {refused}"));
                return Ok(());
            }
        };
        self.give_out_run(&made.dyno, &made.node)?;
        let change = self.observed.start_one_off(&made, self.now);
        self.transcript.change(self.now, &change);
        let node = self.nodes.get_mut(&made.node);
        if let Some(node) = node.filter(|node| node.reachable()) {
            let slug = self.desired.apps[app].releases[&made.release.version].slug;
            let report = node.begin(&made, slug);
            self.say(report);
        }
        self.decide()
    }

    /// Stops a one-off or release process on request.
    pub(crate) fn end(&mut self, app: &AppName, dyno: &DynoId) -> Result<(), String> {
        let Some(step) = self.observed.stop_run_once(app, dyno) else {
            return Ok(());
        };
        self.transcript.step(self.now, &step);
        let change = self.observed.issue_step(&step, &self.desired, self.now);
        if let Some(change) = change {
            self.transcript.change(self.now, &change);
        }
        self.carry_out(&step)?;
        self.decide()
    }

    /// The actual dyno in this place of the published release, and its node.
    pub(crate) fn find(&self, app: &AppName, dyno: &DynoId) -> Option<(NodeId, DynoKey)> {
        self.nodes.values().find_map(|node| {
            let mut dynos = node.dynos.keys();
            let key = dynos.find(|key| key.app == *app && key.dyno == *dyno)?;
            Some((node.id.clone(), key.clone()))
        })
    }

    /// Leftovers of destroyed apps that should not exist.
    fn remains(&self) -> Option<String> {
        let gone = |app: &AppName| !self.desired.apps.contains_key(app);
        if let Some(app) = self.routes.keys().find(|app| gone(app)) {
            return Some(format!("the router still knows {app}"));
        }
        let nodes = self.nodes.values();
        let dynos = nodes.clone().flat_map(|node| node.dynos.keys());
        let mut dynos = dynos.filter(|key| gone(&key.app));
        let ending = |key: &DynoKey| {
            let dyno = self.observed.dynos.get(key);
            dyno.is_some_and(|dyno| dyno.deadline.is_some_and(|at| at > self.now))
        };
        if let Some(key) = dynos.clone().find(|key| !ending(key)) {
            return Some(format!("{key} still runs"));
        }
        let mut releases = nodes.flat_map(SimNode::releases);
        let left = releases.find(|(app, _)| gone(app) && dynos.next().is_none());
        left.map(|(app, release)| format!("{app} {release} is not forgotten"))
    }

    /// Checks the state after a quiet time: exactly the desired dynos run. Returns the first deviation.
    pub(crate) fn unrest(&mut self) -> Option<String> {
        if let Some(what) = self.unanswered_request().or_else(|| self.remains()) {
            return Some(what);
        }
        for app in self.desired.apps.values() {
            let Some(target) = app.target_release() else {
                continue;
            };
            if !self.behaviours[&target.slug].is_good() {
                continue;
            }
            let excused = self.notes.iter().any(|note| note.app() == Some(&app.name));
            let served = app.serving == Some(target.version);
            let route = self.routes.get(&app.name);
            if !excused && (!served || route.and_then(|r| r.version) != app.serving) {
                return Some(format!("{} does not serve {}", app.name, target.version));
            }
            for id in app.places_of_release(target) {
                let there = self.find(&app.name, &id).is_some();
                if !excused && !there {
                    return Some(format!("{} has no {id}", app.name));
                }
            }
            // Draining dynos still have time left.
            let mut dynos = self.observed.dynos_of(&app.name);
            if dynos.any(|(_, dyno)| dyno.deadline.is_some_and(|at| at > self.now)) {
                continue;
            }
            let extra =
                self.nodes
                    .values()
                    .flat_map(|node| node.dynos.iter())
                    .find(|(key, dyno)| {
                        let wanted = app.places_of_release(target).contains(&key.dyno)
                            && dyno.release == app.release_id(target.version)
                            && dyno.slug == target.slug;
                        key.app == app.name && !wanted && !key.dyno.process.is_run()
                    });
            if let Some((key, _)) = extra.filter(|_| !excused) {
                return Some(format!("{key} still runs"));
            }
            let releases = self.nodes.values().flat_map(SimNode::releases);
            let old = releases
                .into_iter()
                .find(|(name, id)| *name == app.name && *id != app.release_id(target.version));
            let mut dynos = self.observed.dynos_of(&app.name);
            let excused = excused || dynos.any(|(key, _)| key.dyno.process.is_run());
            if let Some((_, release)) = old.filter(|_| !excused) {
                return Some(format!("{} {release} is not forgotten", app.name));
            }
        }
        None
    }
}

//! Requests in virtual time: arrivals, service times, hang-ups, traps and time-outs.
//!
//! Owns the router's work around a `Line`: hands requests to dynos, watches the clock, and answers. Must not decide
//! which request gets a dyno: the line decides, and a `RequestAudit` checks every decision.

use std::collections::BTreeMap;
use std::time::Duration;

use grid::check::{RequestAudit, RequestNumber};
use grid::name::{AppName, DynoKey, NodeId};
use grid::protocol::{CrashCause, Refusal, Route, RouteTarget, RoutedDyno};
use grid::routing::{Arrival, Claim, Handover, Line, RouteEpoch, RouteSwap, Ticket, WaitStatus};
use grid::time::Time;

use crate::world::{Happening, World};

/// Time that a guest may keep running after its client has left, as in the router.
const HANGUP_GRACE: Duration = Duration::from_secs(1);
/// Number of further dynos that are tried for a request after an unreachable dyno, as in the router.
const RETRIES_MAX: u32 = 3;

/// The behaviour of the requests of one `request` command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestKind {
    /// The time until the guest answers; `None` if it never answers.
    pub(crate) service: Option<Duration>,
    /// The guest traps at the end of that time.
    pub(crate) traps: bool,
    /// After this time the client hangs up.
    pub(crate) hangup: Option<Duration>,
}

/// A future event of a request.
#[derive(Clone, Debug)]
pub(crate) enum RequestEvent {
    Arrives(AppName, RequestKind),
    CheckWait(RequestNumber, Ticket),
    /// The guest is done with the request.
    Finishes(RequestNumber, DynoKey),
    /// The response is due.
    TimesOut(RequestNumber, DynoKey),
    HangsUp(RequestNumber),
    /// The client has left, and the guest has had its time to end.
    GraceEnds(RequestNumber, DynoKey),
}

/// The one handle of a dyno.
#[derive(Debug)]
struct SimHandle(DynoKey);

impl SimHandle {
    fn key(&self) -> &DynoKey {
        &self.0
    }
}

struct SimApp {
    line: Line<SimHandle, RequestNumber>,
    audit: RequestAudit,
}

impl SimApp {
    fn new() -> Self {
        SimApp {
            line: Line::new(SimHandle::key),
            audit: RequestAudit::default(),
        }
    }
}

#[derive(Clone, Debug)]
struct SimRequest {
    app: usize,
    name: AppName,
    arrived: Time,
    kind: RequestKind,
    retries: u32,
    /// The client has its answer, or has left.
    answered: bool,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Waiting(Ticket),
    Running(DynoKey, RouteEpoch),
    Over,
}

/// The router of the simulated grid.
#[derive(Default)]
pub(crate) struct SimRouter {
    /// Every app that was ever published: running requests outlive the withdrawal of their app.
    apps: Vec<SimApp>,
    /// The apps that are published now.
    current: BTreeMap<AppName, usize>,
    requests: BTreeMap<RequestNumber, SimRequest>,
    arrived: RequestNumber,
    /// Apps with events since the last check.
    touched: Vec<usize>,
}

impl SimRouter {
    fn touch(&mut self, app: usize) -> &mut SimApp {
        if self.touched.last() != Some(&app) {
            self.touched.push(app);
        }
        &mut self.apps[app]
    }
}

impl World {
    /// Adds `count` arriving requests, at intervals of `every`.
    pub(crate) fn send_requests(
        &mut self,
        app: &AppName,
        kind: RequestKind,
        count: u64,
        every: Duration,
    ) -> Result<(), String> {
        let mut at = self.now;
        for _ in 0..count {
            let event = RequestEvent::Arrives(app.clone(), kind);
            self.at(at, Happening::Request(event));
            at = at + every;
        }
        self.run(Duration::ZERO)
    }

    pub(crate) fn on_request(&mut self, event: RequestEvent) -> Result<(), String> {
        match event {
            RequestEvent::Arrives(app, kind) => self.request_arrives(app, kind)?,
            RequestEvent::CheckWait(number, ticket) => self.check_wait(number, ticket),
            RequestEvent::Finishes(number, dyno) => {
                if self.is_running(number, &dyno) {
                    self.finish_request(number, &dyno)?;
                }
            }
            RequestEvent::TimesOut(number, dyno) => {
                if self.is_running(number, &dyno) && !self.router.requests[&number].answered {
                    self.answer(number, Err(Refusal::RequestTimeout));
                    self.lose_dyno(number, &dyno, CrashCause::Killed);
                }
            }
            RequestEvent::HangsUp(number) => self.hang_up(number),
            RequestEvent::GraceEnds(number, dyno) => {
                if self.is_running(number, &dyno) {
                    self.lose_dyno(number, &dyno, CrashCause::Discarded);
                }
            }
        }
        self.check_requests()
    }

    fn is_running(&self, number: RequestNumber, dyno: &DynoKey) -> bool {
        let request = self.router.requests.get(&number);
        request.is_some_and(|r| matches!(&r.stage, Stage::Running(key, _) if key == dyno))
    }

    fn note(&mut self, number: RequestNumber, text: &str) {
        let name = &self.router.requests[&number].name;
        let line = format!("  request {number} to {name}: {text}");
        self.transcript.line(self.now, &line);
    }

    fn request_arrives(&mut self, name: AppName, kind: RequestKind) -> Result<(), String> {
        let Some(app) = self.router.current.get(&name).copied() else {
            let line = format!("  request to {name}: no such app");
            self.transcript.line(self.now, &line);
            return Ok(());
        };
        self.router.arrived += 1;
        let number = self.router.arrived;
        let request = SimRequest {
            app,
            name,
            arrived: self.now,
            kind,
            retries: 0,
            answered: false,
            stage: Stage::Over,
        };
        self.router.requests.insert(number, request);
        self.router.touch(app).audit.add_request(number);
        if let Some(after) = kind.hangup {
            let event = RequestEvent::HangsUp(number);
            self.at(self.now + after, Happening::Request(event));
        }
        self.seek_dyno(number)
    }

    /// Asks the line for a dyno.
    fn seek_dyno(&mut self, number: RequestNumber) -> Result<(), String> {
        let (app, arrived) = {
            let request = &self.router.requests[&number];
            (request.app, request.arrived)
        };
        let arrival = self
            .router
            .touch(app)
            .line
            .admit_request(arrived, || number);
        match arrival {
            Arrival::Claimed(claim) => self.run_request(number, claim),
            Arrival::Queued { ticket, depth } => {
                self.router.touch(app).audit.add_waiting(number);
                self.set_stage(number, Stage::Waiting(ticket));
                self.note(number, &format!("waits behind {depth}"));
                self.check_wait(number, ticket);
                Ok(())
            }
            Arrival::Refused(refusal) => {
                self.answer(number, Err(refusal));
                Ok(())
            }
        }
    }

    fn set_stage(&mut self, number: RequestNumber, stage: Stage) {
        if let Some(request) = self.router.requests.get_mut(&number) {
            request.stage = stage;
        }
    }

    fn check_wait(&mut self, number: RequestNumber, ticket: Ticket) {
        let request = match self.router.requests.get(&number) {
            Some(request) if matches!(request.stage, Stage::Waiting(known) if known == ticket) => {
                request
            }
            _ => return,
        };
        let (app, now) = (request.app, self.now);
        match self.router.touch(app).line.check_wait(ticket, now) {
            WaitStatus::Waiting { check_at } => {
                let event = RequestEvent::CheckWait(number, ticket);
                self.at(check_at, Happening::Request(event));
            }
            WaitStatus::TimedOut(refusal) => self.answer(number, Err(refusal)),
            WaitStatus::Gone => {}
        }
    }

    /// Hands a request to the dyno that the line chose.
    fn run_request(
        &mut self,
        number: RequestNumber,
        claim: Claim<SimHandle>,
    ) -> Result<(), String> {
        let Claim { dyno, epoch } = claim;
        let key = dyno.0;
        let (app, arrived, kind) = {
            let request = &self.router.requests[&number];
            (request.app, request.arrived, request.kind)
        };
        self.router.touch(app).audit.grant_dyno(number, &key);
        self.set_stage(number, Stage::Running(key.clone(), epoch));
        self.note(number, &format!("{}#{}", key.dyno, key.run));
        match self.reach_dyno(&key)? {
            Reach::Answers => {}
            Reach::Gone => {
                self.answer(number, Err(Refusal::NoResponse));
                self.lose_dyno(number, &key, CrashCause::Discarded);
                return Ok(());
            }
            Reach::NoConnection => return self.retry_request(number, &key),
        }
        if let Some(service) = kind.service {
            let event = RequestEvent::Finishes(number, key.clone());
            self.at(self.now + service, Happening::Request(event));
        }
        let due = self.router.touch(app).line.first_byte_due(arrived).at;
        let event = RequestEvent::TimesOut(number, key);
        self.at(due.max(self.now), Happening::Request(event));
        Ok(())
    }

    /// No byte of the request was sent: the request may go to another dyno.
    fn retry_request(&mut self, number: RequestNumber, dyno: &DynoKey) -> Result<(), String> {
        self.lose_dyno(number, dyno, CrashCause::Discarded);
        let Some(request) = self.router.requests.get_mut(&number) else {
            return Ok(());
        };
        if request.retries == RETRIES_MAX {
            self.answer(number, Err(Refusal::BackendRefused));
            return Ok(());
        }
        request.retries += 1;
        self.seek_dyno(number)
    }

    /// Whether the dyno takes the request. An error means that the request should never have been handed to it.
    fn reach_dyno(&self, key: &DynoKey) -> Result<Reach, String> {
        let Some(node) = self.find_node(key).and_then(|id| self.nodes.get(&id)) else {
            return Ok(Reach::NoConnection);
        };
        if !node.reachable() {
            return Ok(Reach::NoConnection);
        }
        if node.is_draining(key) {
            return Err(format!("a request is handed to {key}, which drains"));
        }
        match node.dynos.get(key) {
            Some(dyno) if dyno.up => Ok(Reach::Answers),
            Some(_) => Err(format!("a request is handed to {key}, which is not up")),
            None => Ok(Reach::Gone),
        }
    }

    /// The node that has the dyno, or that had it by the last report.
    fn find_node(&self, key: &DynoKey) -> Option<NodeId> {
        let mut nodes = self.nodes.values();
        let true_home = nodes.find(|node| node.dynos.contains_key(key));
        let heard = || self.observed.dynos.get(key).map(|dyno| dyno.node.clone());
        true_home.map(|node| node.id.clone()).or_else(heard)
    }

    fn finish_request(&mut self, number: RequestNumber, dyno: &DynoKey) -> Result<(), String> {
        let request = self.router.requests[&number].clone();
        if self.reach_running_dyno(dyno) != Reach::Answers {
            self.answer(number, Err(Refusal::Interrupted));
            self.lose_dyno(number, dyno, CrashCause::Discarded);
            return Ok(());
        }
        if request.kind.traps {
            self.answer(number, Err(Refusal::NoResponse));
            self.lose_dyno(number, dyno, CrashCause::Trap);
            return Ok(());
        }
        self.answer(number, Ok(()));
        if let Some(node) = self.find_node(dyno).and_then(|id| self.nodes.get_mut(&id)) {
            node.note_served(dyno);
        }
        let Stage::Running(_, epoch) = request.stage else {
            return Ok(());
        };
        self.set_stage(number, Stage::Over);
        let claim = Claim {
            dyno: SimHandle(dyno.clone()),
            epoch,
        };
        self.release_dyno(request.app, claim)
    }

    /// Like [`World::reach_dyno`], for a dyno with a running request, which may be draining.
    fn reach_running_dyno(&self, key: &DynoKey) -> Reach {
        let node = self.find_node(key).and_then(|id| self.nodes.get(&id));
        match node {
            Some(node) if node.reachable() && node.dynos.contains_key(key) => Reach::Answers,
            _ => Reach::Gone,
        }
    }

    fn release_dyno(&mut self, app: usize, claim: Claim<SimHandle>) -> Result<(), String> {
        let app_state = self.router.touch(app);
        app_state.audit.release_dyno(&claim.dyno.0);
        match app_state.line.release_dyno(claim) {
            Handover::Grant(number, claim) => self.run_request(number, claim),
            Handover::Rested => Ok(()),
            Handover::Retired(handle) => {
                self.return_handle(&handle.0);
                Ok(())
            }
        }
    }

    /// The router drops a handle, which returns it to the node of the dyno.
    fn return_handle(&mut self, key: &DynoKey) {
        let Some(id) = self.find_node(key) else {
            return;
        };
        let report = self
            .nodes
            .get_mut(&id)
            .and_then(|node| node.return_handle(key));
        report.into_iter().for_each(|report| self.say(report));
    }

    /// A dyno ends because of its request.
    fn lose_dyno(&mut self, number: RequestNumber, key: &DynoKey, cause: CrashCause) {
        let app = self.router.requests[&number].app;
        self.router.touch(app).audit.lose_dyno(key);
        self.set_stage(number, Stage::Over);
        let Some(id) = self.find_node(key) else {
            return;
        };
        let reason = match cause {
            CrashCause::Trap => "unreachable executed",
            CrashCause::Killed => "a request took too long",
            _ => "its request broke off",
        };
        let node = self.nodes.get_mut(&id);
        let report = node.and_then(|node| node.crash(key, cause, reason));
        report.into_iter().for_each(|report| self.say(report));
    }

    fn hang_up(&mut self, number: RequestNumber) {
        let request = self.router.requests.get(&number);
        let Some(request) = request.filter(|request| !request.answered).cloned() else {
            return;
        };
        if let Stage::Waiting(ticket) = request.stage {
            let waiter = self.router.touch(request.app).line.leave_queue(ticket);
            assert_eq!(waiter, Some(number), "the queue and its driver agree");
        }
        self.answer(number, Err(Refusal::ClientInterrupted));
        if let Stage::Running(dyno, _) = request.stage {
            let event = RequestEvent::GraceEnds(number, dyno);
            self.at(self.now + HANGUP_GRACE, Happening::Request(event));
        }
    }

    /// The client has its answer, or has left. A dyno that still runs stays with the request.
    fn answer(&mut self, number: RequestNumber, outcome: Result<(), Refusal>) {
        let Some(request) = self.router.requests.get_mut(&number) else {
            return;
        };
        if std::mem::replace(&mut request.answered, true) {
            return;
        }
        let (app, took) = (request.app, self.now - request.arrived);
        if matches!(request.stage, Stage::Waiting(_)) {
            request.stage = Stage::Over;
        }
        self.router.touch(app).audit.answer_request(number);
        let when = match took {
            Duration::ZERO => "at once".into(),
            took => format!("after {took:?}"),
        };
        match outcome {
            Ok(()) => self.note(number, &format!("200 {when}")),
            Err(refusal) => self.note(number, &format!("{refusal} {when}")),
        }
    }

    /// The router gets a new route of an app.
    pub(crate) fn publish_to_line(&mut self, route: &Route) -> Result<(), String> {
        let next = self.router.apps.len();
        let app = *self.router.current.entry(route.app.clone()).or_insert(next);
        if app == next {
            self.router.apps.push(SimApp::new());
        }
        let routed: &[RoutedDyno] = match &route.target {
            RouteTarget::Dynos(dynos) => dynos,
            RouteTarget::Booting | RouteTarget::Refuse(_) => &[],
        };
        let routed: Vec<DynoKey> = routed.iter().map(|routed| routed.dyno.clone()).collect();
        let fresh = routed.iter().filter(|key| {
            let mut nodes = self.nodes.values_mut();
            nodes.any(|node| node.take_handle(key))
        });
        let fresh: Vec<DynoKey> = fresh.cloned().collect();
        let mut handles: Vec<SimHandle> = fresh.iter().cloned().map(SimHandle).collect();
        let now = self.now;
        let app_state = self.router.touch(app);
        app_state.audit.publish_route(&routed, &fresh);
        let swap = app_state.line.publish_route(route, &mut handles, now);
        let swap = swap.map_err(|stale| stale.to_string())?;
        self.carry_out_swap(swap)
    }

    /// The router forgets an app.
    pub(crate) fn withdraw_line(&mut self, name: &AppName) -> Result<(), String> {
        let Some(app) = self.router.current.remove(name) else {
            return Ok(());
        };
        let app_state = self.router.touch(app);
        app_state.audit.publish_route([], []);
        let swap = app_state.line.refuse_requests(Refusal::NoWebDynos);
        self.carry_out_swap(swap)
    }

    fn carry_out_swap(&mut self, swap: RouteSwap<SimHandle, RequestNumber>) -> Result<(), String> {
        for (number, claim) in swap.grants {
            self.run_request(number, claim)?;
        }
        for (number, refusal) in swap.refused {
            self.answer(number, Err(refusal));
        }
        for handle in swap.retired {
            self.return_handle(&handle.0);
        }
        self.check_requests()
    }

    /// Answers the requests whose dyno has ended.
    pub(crate) fn break_off_requests(&mut self) -> Result<(), String> {
        let running = self.router.requests.iter();
        let running = running.filter_map(|(number, request)| match &request.stage {
            Stage::Running(key, _) => Some((*number, key.clone())),
            Stage::Waiting(_) | Stage::Over => None,
        });
        let running: Vec<(RequestNumber, DynoKey)> = running.collect();
        for (number, key) in running {
            let there = self
                .nodes
                .values()
                .any(|node| node.dynos.contains_key(&key));
            if !there {
                self.answer(number, Err(Refusal::NoResponse));
                self.lose_dyno(number, &key, CrashCause::Discarded);
            }
        }
        let done = |request: &SimRequest| request.answered && matches!(request.stage, Stage::Over);
        self.router.requests.retain(|_, request| !done(request));
        self.check_requests()
    }

    /// Checks the invariants of requests between two events.
    fn check_requests(&mut self) -> Result<(), String> {
        for app in std::mem::take(&mut self.router.touched) {
            let audit = &mut self.router.apps[app].audit;
            audit.check_rest();
            if let Some(violation) = audit.take_violations().first() {
                return Err(format!(
                    "at {}: {violation}\n{}",
                    self.now,
                    self.transcript.text()
                ));
            }
        }
        Ok(())
    }

    /// A request without an answer, after a time in which every request must have one.
    pub(crate) fn unanswered_request(&mut self) -> Option<String> {
        let mut apps = self.router.apps.iter_mut();
        apps.find_map(|app| {
            app.audit.check_end();
            Some(app.audit.take_violations().first()?.to_string())
        })
    }
}

/// Whether a dyno takes a request that is handed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Answers,
    /// The dyno has ended, and the router does not know yet.
    Gone,
    /// The node of the dyno cannot be reached.
    NoConnection,
}

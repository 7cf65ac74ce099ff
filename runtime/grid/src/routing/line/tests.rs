//! Properties of a `Line` under any order of events, and single difficult cases.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::check::RequestAudit;
use crate::name::Run;
use crate::protocol::RoutedDyno;

/// Places of the formation that a test may route to.
const PLACES: usize = 4;
/// Requests that may wait in a test.
const BACKLOG_MAX: u32 = 3;

/// A handle that consists of its dyno's key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TestDyno(DynoKey);

impl TestDyno {
    fn key(&self) -> &DynoKey {
        &self.0
    }
}

fn dyno(run: u64) -> TestDyno {
    TestDyno(DynoKey {
        app: "hello".parse().expect("valid"),
        dyno: "web.1".parse().expect("valid"),
        run: Run(run),
    })
}

fn route(generation: u64, target: RouteTarget) -> Route {
    Route {
        app: "hello".parse().expect("valid"),
        generation: Generation(generation),
        hostnames: Vec::new(),
        version: None,
        backlog_max: BACKLOG_MAX,
        request_timeout: None,
        idle_after: Some(Duration::from_secs(1)),
        target,
    }
}

fn dynos(runs: &[u64]) -> RouteTarget {
    let routed = runs.iter().map(|run| RoutedDyno {
        dyno: dyno(*run).0,
        node: "n1".parse().expect("valid"),
    });
    RouteTarget::Dynos(routed.collect())
}

fn secs(secs: u64) -> Time {
    Time::from_secs(secs)
}

type TestLine = Line<TestDyno, u64>;

/// A line with one free dyno.
fn line_of_one() -> TestLine {
    let mut line = Line::new(TestDyno::key);
    let swap = line.publish_route(&route(1, dynos(&[1])), &mut vec![dyno(1)], secs(0));
    swap.expect("the first route is not stale");
    line
}

fn claim(arrival: Arrival<TestDyno>) -> Claim<TestDyno> {
    match arrival {
        Arrival::Claimed(claim) => claim,
        other => panic!("a dyno is free: {other:?}"),
    }
}

fn ticket(arrival: Arrival<TestDyno>) -> Ticket {
    match arrival {
        Arrival::Queued { ticket, .. } => ticket,
        other => panic!("no dyno is free: {other:?}"),
    }
}

#[test]
fn app_without_route_refuses_with_h81() {
    let mut line = TestLine::new(TestDyno::key);
    let arrival = line.admit_request(secs(1), || unreachable!("it does not wait"));
    assert_eq!(arrival, Arrival::Refused(Refusal::BlankApp));
}

#[test]
fn request_over_the_backlog_is_refused_with_h11() {
    let mut line = line_of_one();
    let _taken = claim(line.admit_request(secs(1), || 0));
    let depths = (0..BACKLOG_MAX).map(|_| match line.admit_request(secs(1), || 0) {
        Arrival::Queued { depth, .. } => depth,
        other => panic!("the queue has room: {other:?}"),
    });
    assert!(depths.eq(0..BACKLOG_MAX));
    assert_eq!(line.check_admission(), Err(Refusal::BacklogTooDeep));
    let arrival = line.admit_request(secs(1), || 0);
    assert_eq!(arrival, Arrival::Refused(Refusal::BacklogTooDeep));
}

#[test]
fn waiting_request_times_out_with_h12_at_its_time_and_not_before() {
    let mut line = line_of_one();
    let _taken = claim(line.admit_request(secs(1), || 0));
    let waiting = ticket(line.admit_request(secs(2), || 1));
    let check_at = secs(2) + FIRST_BYTE_TIMEOUT;
    let status = line.check_wait(waiting, secs(2));
    assert_eq!(status, WaitStatus::Waiting { check_at });
    let status = line.check_wait(waiting, check_at);
    assert_eq!(status, WaitStatus::TimedOut(Refusal::RequestTimeout));
    assert_eq!(line.check_wait(waiting, check_at), WaitStatus::Gone);
    assert_eq!(line.load().waiting, 0);
}

#[test]
fn boot_time_has_its_own_limit_and_does_not_count_as_waiting() {
    let mut line = TestLine::new(TestDyno::key);
    let booting = route(1, RouteTarget::Booting);
    line.publish_route(&booting, &mut Vec::new(), secs(0))
        .expect("first");
    let waiting = ticket(line.admit_request(secs(0), || 1));
    assert_ne!(line.check_wait(waiting, secs(74)), WaitStatus::Gone);
    // The app is up but has no dyno for this request: the request may wait for its full time limit.
    let up = line.publish_route(&route(2, dynos(&[1])), &mut Vec::new(), secs(74));
    assert!(up.expect("newer").grants.is_empty());
    let check_at = secs(74) + FIRST_BYTE_TIMEOUT;
    let status = line.check_wait(waiting, secs(75));
    assert_eq!(status, WaitStatus::Waiting { check_at });
    assert_eq!(line.first_byte_due(secs(0)).at, check_at);

    let mut line = TestLine::new(TestDyno::key);
    line.publish_route(&booting, &mut Vec::new(), secs(0))
        .expect("first");
    let waiting = ticket(line.admit_request(secs(0), || 1));
    let status = line.check_wait(waiting, secs(75));
    assert_eq!(status, WaitStatus::TimedOut(Refusal::BootTimeout));
}

#[test]
fn repeated_boots_do_not_hold_a_request_for_ever() {
    let mut line = TestLine::new(TestDyno::key);
    for boot in 0..20 {
        let booting = route(2 * boot, RouteTarget::Booting);
        line.publish_route(&booting, &mut Vec::new(), secs(10 * boot))
            .expect("newer");
        let up = route(2 * boot + 1, dynos(&[boot]));
        line.publish_route(&up, &mut Vec::new(), secs(10 * boot))
            .expect("newer");
    }
    let due = line.first_byte_due(secs(0)).at;
    assert_eq!(due, secs(0) + BOOT_WAIT_MAX + FIRST_BYTE_TIMEOUT);
}

#[test]
fn refusing_route_answers_all_waiting_requests_in_order() {
    let mut line = line_of_one();
    let taken = claim(line.admit_request(secs(1), || 0));
    let _waiting = [1, 2].map(|number| ticket(line.admit_request(secs(1), || number)));
    let maintenance = route(2, RouteTarget::Refuse(Refusal::Maintenance));
    let swap = line.publish_route(&maintenance, &mut Vec::new(), secs(2));
    let refused = swap.expect("newer").refused;
    assert_eq!(
        refused,
        [(1, Refusal::Maintenance), (2, Refusal::Maintenance)]
    );
    // The busy dyno is out of the route when it comes back.
    assert_eq!(line.release_dyno(taken), Handover::Retired(dyno(1)));
}

#[test]
fn stale_route_changes_nothing() {
    let mut line = line_of_one();
    let newer = line.publish_route(&route(3, dynos(&[1])), &mut Vec::new(), secs(1));
    newer.expect("newer");
    let stale = line.publish_route(&route(2, RouteTarget::Booting), &mut vec![dyno(2)], secs(1));
    let (offered, published) = (Generation(2), Generation(3));
    assert_eq!(stale.map(drop), Err(StaleRoute { offered, published }));
    assert_eq!(line.load().free, 1);
}

#[test]
fn second_handle_of_a_dyno_is_given_back() {
    let mut line = line_of_one();
    let swap = line.publish_route(
        &route(2, dynos(&[1, 2])),
        &mut vec![dyno(1), dyno(2)],
        secs(1),
    );
    assert_eq!(swap.expect("newer").retired, [dyno(1)]);
    assert_eq!(line.load().free, 2);
}

/// A random event. The numbers select dynos and requests.
#[derive(Clone, Debug)]
enum Happening {
    Arrive,
    Release(usize),
    Lose(usize),
    Leave(usize),
    Check(usize),
    Publish(Vec<usize>),
    Booting,
    Refuse,
    Sweep,
    Pass(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => Just(Happening::Arrive),
        4 => any::<usize>().prop_map(Happening::Release),
        1 => any::<usize>().prop_map(Happening::Lose),
        1 => any::<usize>().prop_map(Happening::Leave),
        1 => any::<usize>().prop_map(Happening::Check),
        2 => prop::collection::vec(0..PLACES, 1..4).prop_map(Happening::Publish),
        1 => Just(Happening::Booting),
        1 => Just(Happening::Refuse),
        1 => Just(Happening::Sweep),
        1 => (0u64..40).prop_map(Happening::Pass),
    ]
}

/// Drives a `Line` as the router does, together with a `RequestAudit`.
struct Driver {
    line: TestLine,
    audit: RequestAudit,
    now: Time,
    generation: u64,
    requests: u64,
    waiting: BTreeMap<u64, Ticket>,
    running: Vec<(u64, Claim<TestDyno>)>,
    /// The run in each place.
    runs: Vec<u64>,
    next_run: u64,
    /// Dynos whose handle is with their node.
    parked: Vec<TestDyno>,
}

impl Driver {
    fn new() -> Self {
        Driver {
            line: Line::new(TestDyno::key),
            audit: RequestAudit::default(),
            now: Time::ZERO,
            generation: 0,
            requests: 0,
            waiting: BTreeMap::new(),
            running: Vec::new(),
            runs: (0..PLACES as u64).collect(),
            next_run: PLACES as u64,
            parked: (0..PLACES as u64).map(dyno).collect(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive => self.arrive(),
            Happening::Release(which) => self.release(which),
            Happening::Lose(which) => self.lose(which),
            Happening::Leave(which) => self.leave(which),
            Happening::Check(which) => self.check_wait(which),
            Happening::Publish(places) => {
                let runs: Vec<u64> = places.iter().map(|place| self.runs[*place]).collect();
                self.publish(dynos(&runs));
            }
            Happening::Booting => self.publish(RouteTarget::Booting),
            Happening::Refuse => self.publish(RouteTarget::Refuse(Refusal::Maintenance)),
            Happening::Sweep => self.sweep(),
            Happening::Pass(time) => self.now = self.now + Duration::from_secs(time),
        }
        self.audit.check_rest();
    }

    fn arrive(&mut self) {
        self.requests += 1;
        let request = self.requests;
        self.audit.add_request(request);
        match self.line.admit_request(self.now, || request) {
            Arrival::Claimed(claim) => self.grant(request, claim),
            Arrival::Queued { ticket, depth } => {
                assert_eq!(depth as usize, self.waiting.len());
                self.audit.add_waiting(request);
                self.waiting.insert(request, ticket);
            }
            Arrival::Refused(_) => self.audit.answer_request(request),
        }
    }

    fn grant(&mut self, request: u64, claim: Claim<TestDyno>) {
        self.audit.grant_dyno(request, claim.dyno.key());
        self.waiting.remove(&request);
        self.running.push((request, claim));
    }

    fn release(&mut self, which: usize) {
        if self.running.is_empty() {
            return;
        }
        let (request, claim) = self.running.remove(which % self.running.len());
        self.audit.answer_request(request);
        self.audit.release_dyno(claim.dyno.key());
        let handover = self.line.release_dyno(claim);
        self.hand_over(handover);
    }

    /// A dyno ends under its request, and another run takes its place.
    fn lose(&mut self, which: usize) {
        if self.running.is_empty() {
            return;
        }
        let (request, claim) = self.running.remove(which % self.running.len());
        self.audit.answer_request(request);
        self.audit.lose_dyno(claim.dyno.key());
        let place = self
            .runs
            .iter_mut()
            .find(|run| **run == claim.dyno.key().run.0);
        *place.expect("each run has a place") = self.next_run;
        self.parked.push(dyno(self.next_run));
        self.next_run += 1;
    }

    fn hand_over(&mut self, handover: Handover<TestDyno, u64>) {
        match handover {
            Handover::Grant(request, claim) => self.grant(request, claim),
            Handover::Rested => {}
            Handover::Retired(dyno) => self.parked.push(dyno),
        }
    }

    fn choose_waiting(&self, which: usize) -> Option<(u64, Ticket)> {
        let number = which.checked_rem(self.waiting.len())?;
        self.waiting
            .iter()
            .nth(number)
            .map(|(request, ticket)| (*request, *ticket))
    }

    fn leave(&mut self, which: usize) {
        if let Some((request, ticket)) = self.choose_waiting(which) {
            assert_eq!(self.line.leave_queue(ticket), Some(request));
            self.waiting.remove(&request);
            self.audit.answer_request(request);
        }
    }

    fn check_wait(&mut self, which: usize) {
        let Some((request, ticket)) = self.choose_waiting(which) else {
            return;
        };
        match self.line.check_wait(ticket, self.now) {
            WaitStatus::Waiting { check_at } => assert!(check_at > self.now),
            WaitStatus::TimedOut(_) => {
                self.waiting.remove(&request);
                self.audit.answer_request(request);
            }
            WaitStatus::Gone => panic!("request {request} waits"),
        }
    }

    fn publish(&mut self, target: RouteTarget) {
        self.generation += 1;
        let route = route(self.generation, target);
        let routed: Vec<DynoKey> = match &route.target {
            RouteTarget::Dynos(dynos) => dynos.iter().map(|routed| routed.dyno.clone()).collect(),
            _ => Vec::new(),
        };
        let parked = std::mem::take(&mut self.parked);
        let (mut fresh, parked): (Vec<_>, Vec<_>) = parked
            .into_iter()
            .partition(|dyno| routed.contains(dyno.key()));
        self.parked = parked;
        self.audit
            .publish_route(&routed, fresh.iter().map(TestDyno::key));
        let swap = self.line.publish_route(&route, &mut fresh, self.now);
        let swap = swap.expect("generations rise");
        for (request, claim) in swap.grants {
            self.grant(request, claim);
        }
        for (request, _) in swap.refused {
            self.waiting.remove(&request);
            self.audit.answer_request(request);
        }
        self.parked.extend(swap.retired);
    }

    fn sweep(&mut self) {
        if !self.line.count_sweep() {
            return;
        }
        while let Some(claim) = self.line.take_tired_dyno() {
            self.audit.sweep_dyno(claim.dyno.key());
            self.audit.release_dyno(claim.dyno.key());
            let handover = self.line.release_sleeping_dyno(claim);
            self.hand_over(handover);
        }
    }

    /// Refuses all waiting requests and finishes all running ones.
    fn finish(&mut self) {
        self.publish(RouteTarget::Refuse(Refusal::Maintenance));
        while !self.running.is_empty() {
            self.release(0);
        }
        self.audit.check_end();
    }
}

proptest! {
    #[test]
    fn line_holds_the_invariants_of_requests(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut driver = Driver::new();
        for happening in happenings {
            driver.happen(happening.clone());
            let load = driver.line.load();
            prop_assert_eq!(load.waiting, driver.waiting.len());
            prop_assert!(load.waiting <= BACKLOG_MAX as usize);
            prop_assert_eq!(driver.audit.take_violations(), [], "after {:?}", happening);
        }
        driver.finish();
        prop_assert_eq!(driver.audit.take_violations(), []);
    }
}

//! Random faults: connections that break anywhere, nodes that start again, leaders that are replaced.

use std::collections::{BTreeSet, VecDeque};

use grid::name::LeaderEpoch;
use grid::time::Time;
use proptest::prelude::*;

use super::super::*;

#[derive(Clone, Debug)]
enum Operation {
    SendStep,
    SendReport,
    /// Hands frames to the node; the rest stays on its way.
    ReachNode(usize),
    ReachLeader(usize),
    /// Loses everything that is on its way.
    Break,
    Connect,
    RestartNode,
    /// The leader is replaced. The new one connects.
    ReplaceLeader,
    /// A leader that was replaced connects and sends.
    WakeFormerLeader,
    /// The node hears of the present leader from the ledger.
    ObserveEpoch,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        8 => Just(Operation::SendStep),
        8 => Just(Operation::SendReport),
        8 => (1..6_usize).prop_map(Operation::ReachNode),
        8 => (1..6_usize).prop_map(Operation::ReachLeader),
        3 => Just(Operation::Break),
        4 => Just(Operation::Connect),
        1 => Just(Operation::RestartNode),
        1 => Just(Operation::ReplaceLeader),
        1 => Just(Operation::WakeFormerLeader),
        1 => Just(Operation::ObserveEpoch),
    ];
    proptest::collection::vec(operation, 1..150)
}

/// What is on its way between the ends of one connection.
struct Wire {
    at_leader: ConnectionNumber,
    at_node: ConnectionNumber,
    to_node: VecDeque<Frame<u32>>,
    to_leader: VecDeque<Frame<u32>>,
}

/// Two ends and what they delivered. Messages are numbers that only rise.
struct World {
    leader: LeaderEnd<u32>,
    former: Option<LeaderEnd<u32>>,
    node: NodeEnd<u32>,
    wire: Option<Wire>,
    now: Time,
    next: u32,
    incarnation: u64,
    /// Steps that the present leader took, those it discarded, and all that any node delivered, in order.
    steps_taken: Vec<u32>,
    steps_discarded: BTreeSet<u32>,
    steps_delivered: Vec<u32>,
    /// Reports that the present incarnation took, and all that any leader delivered.
    reports_taken: Vec<u32>,
    reports_delivered: BTreeSet<u32>,
    /// The last report that the present leader delivered.
    report_last: u32,
}

impl World {
    fn new() -> Self {
        World {
            leader: LeaderEnd::new(LeaderEpoch(1)),
            former: None,
            node: NodeEnd::new(1, LeaderEpoch(0)),
            wire: None,
            now: Time::ZERO,
            next: 1,
            incarnation: 1,
            steps_taken: Vec::new(),
            steps_discarded: BTreeSet::new(),
            steps_delivered: Vec::new(),
            reports_taken: Vec::new(),
            reports_delivered: BTreeSet::new(),
            report_last: 0,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        self.now = self.now + std::time::Duration::from_millis(10);
        match operation {
            Operation::SendStep => {
                if self.leader.send(self.next).is_ok() {
                    self.steps_taken.push(self.next);
                }
                self.next += 1;
            }
            Operation::SendReport => {
                if self.node.send(self.next).is_ok() {
                    self.reports_taken.push(self.next);
                }
                self.next += 1;
            }
            Operation::ReachNode(count) => self.reach_node(*count),
            Operation::ReachLeader(count) => self.reach_leader(*count),
            Operation::Break => self.break_connection(),
            Operation::Connect => self.connect(),
            Operation::RestartNode => {
                self.break_connection();
                self.incarnation += 1;
                self.node = NodeEnd::new(self.incarnation, self.node.epoch());
                self.reports_taken.clear();
            }
            Operation::ReplaceLeader => self.replace_leader(),
            Operation::WakeFormerLeader => self.wake_former_leader(),
            Operation::ObserveEpoch => self.node.observe_epoch(self.leader.epoch()),
        }
    }

    fn connect(&mut self) {
        self.wire = Some(Wire {
            at_leader: self.leader.begin_connection(),
            at_node: self.node.begin_connection(),
            to_node: VecDeque::new(),
            to_leader: VecDeque::new(),
        });
    }

    fn break_connection(&mut self) {
        if let Some(wire) = self.wire.take() {
            self.leader.end_connection(wire.at_leader);
            self.node.end_connection(wire.at_node);
        }
    }

    fn replace_leader(&mut self) {
        self.wire = None;
        let epoch = LeaderEpoch(self.leader.epoch().0 + 1);
        let former = std::mem::replace(&mut self.leader, LeaderEnd::new(epoch));
        self.former = Some(former);
        self.steps_taken.clear();
        self.steps_discarded.clear();
        self.report_last = 0;
        self.connect();
    }

    /// Puts what both ends have to send on the wire.
    fn pump(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        while let Some(frame) = self.leader.poll_frame(self.now) {
            wire.to_node.push_back(pass_through_codec(&frame));
        }
        while let Some(frame) = self.node.poll_frame(wire.at_node, self.now) {
            wire.to_leader.push_back(pass_through_codec(&frame));
        }
    }

    fn reach_node(&mut self, count: usize) {
        self.pump();
        for _ in 0..count {
            let Some(wire) = &mut self.wire else { return };
            let Some(frame) = wire.to_node.pop_front() else {
                return;
            };
            match self.node.handle_frame(wire.at_node, frame, self.now) {
                Ok(NodeEndEvent::Deliver { step, .. }) => self.steps_delivered.push(step),
                Ok(_) => {}
                // The ledger's news ended the connection before its `Hello` came again.
                Err(ChannelError::Replaced) => self.break_connection(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn reach_leader(&mut self, count: usize) {
        self.pump();
        for _ in 0..count {
            let Some(wire) = &mut self.wire else { return };
            let Some(frame) = wire.to_leader.pop_front() else {
                return;
            };
            match self.leader.handle_frame(wire.at_leader, frame, self.now) {
                Ok(LeaderEndEvent::Deliver(report)) => {
                    assert!(report > self.report_last, "in order, each once");
                    self.report_last = report;
                    self.reports_delivered.insert(report);
                }
                Ok(LeaderEndEvent::Connected { discarded, .. }) => {
                    self.steps_discarded.extend(discarded);
                }
                Ok(LeaderEndEvent::Nothing) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The node refuses a leader that was replaced, once it knows of the present one.
    fn wake_former_leader(&mut self) {
        let Some(mut former) = self.former.take() else {
            return;
        };
        if self.node.epoch() <= former.epoch() {
            return;
        }
        let refused_before = self.node.refused_count();
        let _ = former.send(0);
        let at_former = former.begin_connection();
        let at_node = self.node.begin_connection();
        let hello = former.poll_frame(self.now).expect("a hello");
        let refused = self.node.handle_frame(at_node, hello, self.now);
        assert!(
            matches!(refused, Err(ChannelError::LowerEpoch { .. })),
            "{refused:?}"
        );
        assert_eq!(self.node.refused_count(), refused_before + 1);
        let told = former.handle_frame(at_former, self.node.refusal(), self.now);
        assert!(
            matches!(told, Ok(LeaderEndEvent::Superseded { .. })),
            "{told:?}"
        );
    }

    /// With a connection that holds, everything arrives.
    fn check_at_rest(&mut self) {
        self.break_connection();
        self.connect();
        for _ in 0..10 {
            self.reach_node(usize::MAX);
            self.reach_leader(usize::MAX);
        }
        assert_eq!(self.leader.unacknowledged_count(), 0);
        assert_eq!(self.node.unacknowledged_count(), 0);
        let rises = self
            .steps_delivered
            .windows(2)
            .all(|pair| pair[0] < pair[1]);
        assert!(rises, "in order, each once: {:?}", self.steps_delivered);
        let delivered: BTreeSet<u32> = self.steps_delivered.iter().copied().collect();
        for step in &self.steps_taken {
            let done = delivered.contains(step) || self.steps_discarded.contains(step);
            assert!(done, "step {step} is lost");
        }
        for report in &self.reports_taken {
            assert!(
                self.reports_delivered.contains(report),
                "report {report} is lost"
            );
        }
    }
}

/// A frame as the other end reads it.
fn pass_through_codec(frame: &Frame<u32>) -> Frame<u32> {
    let mut reader = FrameReader::new();
    reader.push(&encode_frame(frame).expect("small"));
    let read = reader.next_frame().expect("sound");
    read.expect("complete")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn each_message_is_delivered_once_and_in_order(operations in operations()) {
        let mut world = World::new();
        for operation in &operations {
            world.apply(operation);
        }
        world.check_at_rest();
    }
}

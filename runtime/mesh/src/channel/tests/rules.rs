//! Single rules of both ends, and the limits of frames.

use grid::name::LeaderEpoch;
use grid::time::Time;

use super::super::*;

const NOW: Time = Time::ZERO;

/// Both ends, connected, before any message.
fn connected() -> (LeaderEnd<String>, NodeEnd<String>, ConnectionNumber) {
    let mut leader = LeaderEnd::new(LeaderEpoch(3));
    let mut node = NodeEnd::new(7, LeaderEpoch(2));
    let connection = connect(&mut leader, &mut node);
    (leader, node, connection)
}

/// Opens a connection; both ends happen to give it the same number.
fn connect(leader: &mut LeaderEnd<String>, node: &mut NodeEnd<String>) -> ConnectionNumber {
    let connection = leader.begin_connection();
    let at_node = node.begin_connection();
    assert_eq!(connection, at_node);
    let hello = leader.poll_frame(NOW).expect("a hello");
    let event = node.handle_frame::<String>(connection, hello, NOW);
    let epoch = leader.epoch();
    assert_eq!(event, Ok(NodeEndEvent::Connected { epoch }));
    let hello = node.poll_frame(connection, NOW).expect("a hello");
    let event = leader.handle_frame::<String>(connection, hello, NOW);
    assert!(
        matches!(event, Ok(LeaderEndEvent::Connected { .. })),
        "{event:?}"
    );
    connection
}

#[test]
fn messages_are_acknowledged_with_the_next_frame_back() {
    let (mut leader, mut node, connection) = connected();
    leader.send("step".to_owned()).expect("room");
    let frame = leader.poll_frame(NOW).expect("a step");
    assert_eq!(leader.poll_frame(NOW), None);
    let event = node.handle_frame(connection, frame, NOW);
    assert_eq!(
        event,
        Ok(NodeEndEvent::Deliver {
            epoch: LeaderEpoch(3),
            step: "step".to_owned()
        })
    );
    let back = node
        .poll_frame(connection, NOW)
        .expect("an acknowledgement");
    assert_eq!(
        (back.acknowledged, &back.content),
        (1, &FrameContent::Acknowledgement)
    );
    assert_eq!(
        node.poll_frame(connection, NOW),
        None,
        "acknowledgements are not acknowledged"
    );
    assert_eq!(leader.unacknowledged_count(), 1);
    let event = leader.handle_frame(connection, back, NOW);
    assert_eq!(event, Ok(LeaderEndEvent::Nothing));
    assert_eq!(leader.unacknowledged_count(), 0);
    node.send("report".to_owned()).expect("room");
    let frame = node.poll_frame(connection, NOW).expect("a report");
    assert_eq!(frame.acknowledged, 1);
    let event = leader.handle_frame(connection, frame, NOW);
    assert_eq!(event, Ok(LeaderEndEvent::Deliver("report".to_owned())));
}

#[test]
fn repeated_messages_are_dropped_and_acknowledged_again() {
    let (mut leader, mut node, connection) = connected();
    leader.send("step".to_owned()).expect("room");
    let frame = leader.poll_frame(NOW).expect("a step");
    let event = node.handle_frame(connection, frame.clone(), NOW);
    assert!(matches!(event, Ok(NodeEndEvent::Deliver { .. })));
    assert!(node.poll_frame(connection, NOW).is_some());
    for _ in 0..2 {
        let event = node.handle_frame(connection, frame.clone(), NOW);
        assert_eq!(event, Ok(NodeEndEvent::Nothing));
        let back = node.poll_frame(connection, NOW).expect("told again");
        assert_eq!(back.acknowledged, 1);
        let event = leader.handle_frame::<String>(connection, back, NOW);
        assert_eq!(event, Ok(LeaderEndEvent::Nothing));
    }
    assert_eq!(leader.unacknowledged_count(), 0);
}

#[test]
fn the_sender_is_told_to_wait() {
    let (mut leader, _, _) = connected();
    for _ in 0..UNACKNOWLEDGED_MAX {
        leader.send(String::new()).expect("room");
    }
    let refused = leader.send("one more".to_owned());
    assert_eq!(refused, Err(SendRefused::Full("one more".to_owned())));
    let (mut leader, _, _) = connected();
    let half = "x".repeat(FRAME_BYTES_MAX / 2);
    let taken = (0..)
        .take_while(|_| leader.send(half.clone()).is_ok())
        .count();
    assert_eq!(taken, UNACKNOWLEDGED_BYTES_MAX / (FRAME_BYTES_MAX / 2) - 1);
    let huge = "x".repeat(FRAME_BYTES_MAX);
    let refused = connected().0.send(huge);
    assert!(matches!(refused, Err(SendRefused::Oversized(_))));
}

#[test]
fn leaders_of_lower_epochs_are_refused_and_counted() {
    let (mut leader, mut node, connection) = connected();
    let mut newer = LeaderEnd::new(LeaderEpoch(4));
    newer.begin_connection();
    connect_as(&mut newer, &mut node);
    leader.send("late".to_owned()).expect("room");
    let frame = leader.poll_frame(NOW).expect("a step");
    let refused = node.handle_frame(connection, frame, NOW);
    let (refused_epoch, newest) = (LeaderEpoch(3), LeaderEpoch(4));
    let expected = ChannelError::LowerEpoch {
        refused: refused_epoch,
        newest,
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(node.refused_count(), 1);
    let event = leader.handle_frame::<String>(connection, node.refusal(), NOW);
    assert_eq!(event, Ok(LeaderEndEvent::Superseded { newest }));
    node.observe_epoch(LeaderEpoch(9));
    newer.send("late".to_owned()).expect("room");
    let frame = newer.poll_frame(NOW).expect("a step");
    assert!(node.handle_frame(ConnectionNumber(2), frame, NOW).is_err());
    assert_eq!((node.refused_count(), node.epoch()), (2, LeaderEpoch(9)));
}

/// Connects a leader whose numbers of connections are not the node's.
fn connect_as(leader: &mut LeaderEnd<String>, node: &mut NodeEnd<String>) -> ConnectionNumber {
    let own = leader.begin_connection();
    let connection = node.begin_connection();
    let hello = leader.poll_frame(NOW).expect("a hello");
    node.handle_frame::<String>(connection, hello, NOW)
        .expect("accepted");
    let hello = node.poll_frame(connection, NOW).expect("a hello");
    leader
        .handle_frame::<String>(own, hello, NOW)
        .expect("accepted");
    connection
}

#[test]
fn steps_for_an_earlier_incarnation_are_discarded() {
    let (mut leader, _, connection) = connected();
    leader.send("old".to_owned()).expect("room");
    let lost = leader.poll_frame(NOW);
    assert!(lost.is_some());
    leader.end_connection(connection);
    let mut again = NodeEnd::new(8, LeaderEpoch(3));
    let own = leader.begin_connection();
    let connection = again.begin_connection();
    let hello = leader.poll_frame(NOW).expect("a hello");
    again
        .handle_frame::<String>(connection, hello, NOW)
        .expect("accepted");
    let hello = again.poll_frame(connection, NOW).expect("a hello");
    let event = leader.handle_frame::<String>(own, hello, NOW);
    let (incarnation, discarded) = (8, vec!["old".to_owned()]);
    assert_eq!(
        event,
        Ok(LeaderEndEvent::Connected {
            incarnation,
            discarded
        })
    );
    assert_eq!(leader.poll_frame(NOW), None);
}

#[test]
fn frames_out_of_turn_end_the_connection() {
    let (mut leader, mut node, connection) = connected();
    let frame = |content| Frame::<String> {
        epoch: LeaderEpoch(3),
        acknowledged: 0,
        content,
    };
    let hello = || {
        frame(FrameContent::Hello {
            incarnation: Some(7),
        })
    };
    assert_eq!(
        node.handle_frame(connection, hello(), NOW),
        Err(ChannelError::OutOfTurn)
    );
    assert_eq!(
        leader.handle_frame(connection, hello(), NOW),
        Err(ChannelError::OutOfTurn)
    );
    let body = String::new();
    let gap = frame(FrameContent::Message { number: 2, body });
    let expected = ChannelError::Gap {
        number: 2,
        received: 0,
    };
    assert_eq!(node.handle_frame(connection, gap, NOW), Err(expected));
    let mut never_sent = frame(FrameContent::Acknowledgement);
    never_sent.acknowledged = 5;
    let expected = ChannelError::NeverSent {
        acknowledged: 5,
        sent: 0,
    };
    assert_eq!(
        node.handle_frame(connection, never_sent, NOW),
        Err(expected)
    );
    let unknown = ConnectionNumber(9);
    let late = frame(FrameContent::Acknowledgement);
    assert_eq!(
        node.handle_frame(unknown, late.clone(), NOW),
        Err(ChannelError::Replaced)
    );
    assert_eq!(
        leader.handle_frame(unknown, late, NOW),
        Err(ChannelError::Replaced)
    );
}

#[test]
fn a_connection_without_acknowledgements_is_stalled() {
    let (mut leader, mut node, connection) = connected();
    assert_eq!(leader.stall_deadline(), None);
    leader.send("step".to_owned()).expect("room");
    assert_eq!(leader.stall_deadline(), None, "nothing is on its way");
    let sent_at = Time::from_secs(5);
    let frame = leader.poll_frame(sent_at).expect("a step");
    assert_eq!(leader.stall_deadline(), Some(sent_at + ACKNOWLEDGE_TIMEOUT));
    node.handle_frame(connection, frame, sent_at)
        .expect("in order");
    let back = node
        .poll_frame(connection, sent_at)
        .expect("an acknowledgement");
    leader
        .handle_frame::<String>(connection, back, sent_at)
        .expect("in order");
    assert_eq!(leader.stall_deadline(), None);
}

#[test]
fn frames_are_cut_out_of_any_pieces() {
    let frames = ["a", "", "a longer one"].map(|body| Frame {
        epoch: LeaderEpoch(1),
        acknowledged: 2,
        content: FrameContent::Message {
            number: 3,
            body: body.to_owned(),
        },
    });
    let encoded = frames
        .iter()
        .map(|frame| encode_frame(frame).expect("small"));
    let stream: Vec<u8> = encoded.flat_map(|bytes| bytes.to_vec()).collect();
    for size in 1..stream.len() {
        let mut reader = FrameReader::new();
        let mut found = Vec::new();
        for piece in stream.chunks(size) {
            reader.push(piece);
            while let Some(frame) = reader.next_frame::<Frame<String>>().expect("sound") {
                found.push(frame);
            }
        }
        assert_eq!(found, frames);
    }
}

#[test]
fn oversized_foreign_and_newer_frames_are_refused() {
    let read = |bytes: &[u8]| {
        let mut reader = FrameReader::new();
        reader.push(bytes);
        reader.next_frame::<Frame<String>>()
    };
    let length = u32::try_from(FRAME_BYTES_MAX + 1).expect("small");
    let oversized = read(&length.to_be_bytes());
    assert!(
        matches!(oversized, Err(CodecError::Oversized { .. })),
        "{oversized:?}"
    );
    let foreign = read(b"\0\0\0\x04GET ");
    assert!(
        matches!(foreign, Err(CodecError::Unreadable(_))),
        "{foreign:?}"
    );
    let newer = br#"{"version":99,"body":{}}"#;
    let mut bytes = u32::try_from(newer.len())
        .expect("small")
        .to_be_bytes()
        .to_vec();
    bytes.extend(newer);
    let message = match read(&bytes) {
        Err(CodecError::Unreadable(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(message.contains("protocol version 99"), "{message}");
    assert!(read(b"\0\0").expect("incomplete").is_none());
}

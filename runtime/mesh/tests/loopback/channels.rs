//! Steps and reports over connections that break, towards nodes that start again, from leaders that are replaced.

use std::time::Duration;

use grid::name::LeaderEpoch;
use grid::protocol::{Report, Step};
use mesh::connection::{StepChannel, StepChannelEvent, StepReceiver, StepSendError};

use crate::proxy::{Breaks, Proxy};
use crate::rig::{RunningMesh, in_time, make_bundles, name, wait_until};

/// A step that is known by its number.
fn step(number: u64) -> Step {
    let app = format!("app-{number}").parse().expect("a name");
    Step::Withdraw { app }
}

/// A report that is known by its number.
fn report(number: u64) -> Report {
    Report::Heartbeat {
        node: name("b"),
        incarnation: number,
    }
}

async fn next_report(channel: &mut StepChannel) -> u64 {
    loop {
        match channel.next_event().await.expect("the channel is open") {
            StepChannelEvent::Deliver(Report::Heartbeat { incarnation, .. }) => return incarnation,
            StepChannelEvent::Connected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn expect_steps(steps: &mut StepReceiver, epoch: u64, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let next = in_time("the next step", steps.next_step()).await;
        assert_eq!(next, (LeaderEpoch(epoch), step(number)));
    }
}

/// Each connection ends after at most 30 kB, in the middle of anything.
#[tokio::test(flavor = "multi_thread")]
async fn steps_and_reports_arrive_once_and_in_order_over_connections_that_break() {
    const COUNT: u64 = 400;
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let mut b = RunningMesh::start(&bundles[1]).await;
    let proxy = Proxy::start(b.mesh.address(), Breaks::AfterBytes(30_000)).await;
    a.dial("b", proxy.address);
    let mut channel = a
        .mesh
        .open_channel(&name("b"), LeaderEpoch(1))
        .expect("dialled");
    let node = tokio::spawn(async move {
        for number in 0..COUNT {
            let next = b.steps.next_step().await;
            assert_eq!(next, (LeaderEpoch(1), step(number)));
            b.mesh.send_report(report(number)).await.expect("small");
        }
        b
    });
    let sender = channel.sender();
    let send = async {
        for number in 0..COUNT {
            sender.send_step(step(number)).await.expect("small");
            if number % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let receive = async {
        for number in 0..COUNT {
            assert_eq!(next_report(&mut channel).await, number);
        }
    };
    in_time("all reports", async { tokio::join!(send, receive) }).await;
    let mut b = node.await.expect("all steps");
    wait_until("all is acknowledged", || {
        channel.sender().unacknowledged_count() == 0
    })
    .await;
    assert!(proxy.connection_count() > 3, "{}", proxy.connection_count());
    // Nothing comes twice.
    let more = tokio::time::timeout(Duration::from_secs(2), b.steps.next_step()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_leader_replaces_an_older_one() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let mut b = RunningMesh::start(&bundles[1]).await;
    let c = RunningMesh::start(&bundles[2]).await;
    a.dial("b", b.mesh.address());
    c.dial("b", b.mesh.address());
    let mut first = a
        .mesh
        .open_channel(&name("b"), LeaderEpoch(1))
        .expect("dialled");
    first.sender().send_step(step(0)).await.expect("small");
    expect_steps(&mut b.steps, 1, 0..1).await;
    let mut second = c
        .mesh
        .open_channel(&name("b"), LeaderEpoch(2))
        .expect("dialled");
    second.sender().send_step(step(7)).await.expect("small");
    expect_steps(&mut b.steps, 2, 7..8).await;
    let superseded = async {
        loop {
            match first.next_event().await.expect("it is told first") {
                StepChannelEvent::Superseded { newest } => return newest,
                StepChannelEvent::Connected { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(
        in_time("the older one is told", superseded).await,
        LeaderEpoch(2)
    );
    assert_eq!(in_time("it ends", first.next_event()).await, None);
    assert_eq!(
        first.sender().send_step(step(1)).await,
        Err(StepSendError::Ended)
    );
    assert!(b.mesh.refused_count() >= 1);
    b.mesh.send_report(report(5)).await.expect("small");
    assert_eq!(in_time("a report", next_report(&mut second)).await, 5);
    b.mesh.observe_epoch(LeaderEpoch(3));
    // A step makes the leader talk, unless an acknowledgement of it was refused already.
    let _ = second.sender().send_step(step(8)).await;
    let told = async {
        while !matches!(
            second.next_event().await,
            Some(StepChannelEvent::Superseded { .. })
        ) {}
    };
    in_time("the ledger's news count too", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_for_an_earlier_incarnation_never_reach_a_later_one() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let mut b = RunningMesh::start(&bundles[1]).await;
    let address = b.mesh.address();
    a.dial("b", address);
    let mut channel = a
        .mesh
        .open_channel(&name("b"), LeaderEpoch(1))
        .expect("dialled");
    channel.sender().send_step(step(0)).await.expect("small");
    expect_steps(&mut b.steps, 1, 0..1).await;
    wait_until("it is acknowledged", || {
        channel.sender().unacknowledged_count() == 0
    })
    .await;
    b.mesh.stop().await;
    channel.sender().send_step(step(1)).await.expect("small");
    let mut b = RunningMesh::start_at(&bundles[1], address, 2).await;
    let reconnected = async {
        loop {
            match channel.next_event().await.expect("open") {
                StepChannelEvent::Connected { incarnation: 1, .. } => {}
                event => return event,
            }
        }
    };
    let event = in_time("the new incarnation is seen", reconnected).await;
    let (incarnation, discarded) = (2, vec![step(1)]);
    assert_eq!(
        event,
        StepChannelEvent::Connected {
            incarnation,
            discarded
        }
    );
    channel.sender().send_step(step(2)).await.expect("small");
    expect_steps(&mut b.steps, 1, 2..3).await;
}

/// A node that takes no steps makes the leader wait, and is still heard; nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_node_makes_its_leader_wait() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let mut b = RunningMesh::start(&bundles[1]).await;
    a.dial("b", b.mesh.address());
    let channel = a
        .mesh
        .open_channel(&name("b"), LeaderEpoch(1))
        .expect("dialled");
    let sending = tokio::spawn(async move {
        for number in 0..1_000 {
            channel
                .sender()
                .send_step(step(number))
                .await
                .expect("small");
        }
        channel
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!sending.is_finished(), "it waits");
    assert!(a.hears("b") && b.hears("a"));
    expect_steps(&mut b.steps, 1, 0..1_000).await;
    let channel = in_time("all is sent", sending).await.expect("sends");
    wait_until("all is acknowledged", || {
        channel.sender().unacknowledged_count() == 0
    })
    .await;
}

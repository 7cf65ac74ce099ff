//! Nodes hear each other, miss who is gone, and hear who is back.

use std::time::Duration;

use crate::proxy::{Breaks, Proxy};
use crate::rig::{RunningMesh, make_bundles, name, wait_until};

/// Lets every node dial every other one.
fn connect_all(nodes: &[(&str, &RunningMesh)]) {
    for (from, node) in nodes {
        for (to, other) in nodes {
            if from != to {
                node.dial(to, other.mesh.address());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_hear_each_other_and_one_comes_back() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let b = RunningMesh::start(&bundles[1]).await;
    let c = RunningMesh::start(&bundles[2]).await;
    connect_all(&[("a", &a), ("b", &b), ("c", &c)]);
    wait_until("all are heard", || {
        [
            (&a, "b"),
            (&a, "c"),
            (&b, "a"),
            (&b, "c"),
            (&c, "a"),
            (&c, "b"),
        ]
        .iter()
        .all(|(node, peer)| node.hears(peer))
    })
    .await;
    let address = c.mesh.address();
    c.mesh.stop().await;
    wait_until("c is silent", || {
        [&a, &b]
            .iter()
            .all(|node| node.mesh.peers().silent_peers() == [name("c")])
    })
    .await;
    assert!(a.hears("b") && b.hears("a"));
    assert!(
        a.problem("c").contains("cannot be reached"),
        "{}",
        a.problem("c")
    );
    let c = RunningMesh::start_at(&bundles[2], address, 2).await;
    wait_until("c is heard again", || a.hears("c") && b.hears("c")).await;
    let record = a.mesh.peers().record(&name("c")).expect("known");
    assert_eq!(record.incarnation, Some(2));
    assert!(record.clock_ahead_millis.abs() < 5_000, "one clock");
    // The node that is back dials nobody, and hears all who dial it.
    wait_until("c hears both", || c.hears("a") && c.hears("b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_hangs_is_dialled_again() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let b = RunningMesh::start(&bundles[1]).await;
    let proxy = Proxy::start(b.mesh.address(), Breaks::Never).await;
    a.dial("b", proxy.address);
    wait_until("both are heard", || a.hears("b") && b.hears("a")).await;
    assert_eq!(proxy.connection_count(), 1);
    proxy.freeze();
    wait_until("b is silent", || {
        a.mesh.peers().silent_peers() == [name("b")]
    })
    .await;
    wait_until("b is dialled again", || proxy.connection_count() > 1).await;
    proxy.thaw();
    wait_until("both are heard again", || a.hears("b") && b.hears("a")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_hold() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let b = RunningMesh::start(&bundles[1]).await;
    let proxy = Proxy::start(b.mesh.address(), Breaks::Never).await;
    a.dial("b", proxy.address);
    wait_until("both are heard", || a.hears("b") && b.hears("a")).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(a.hears("b") && b.hears("a"));
    assert_eq!(proxy.connection_count(), 1);
}

//! Peers that are refused: of another grid, of another name, removed, or without TLS.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{RunningMesh, in_time, make_bundles, name, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_grid_is_refused() {
    let a = RunningMesh::start(&make_bundles()[0]).await;
    let mut other = make_bundles().swap_remove(1);
    let stranger = RunningMesh::start(&other).await;
    stranger.dial("a", a.mesh.address());
    a.dial("b", stranger.mesh.address());
    let refused = "invalid peer certificate";
    wait_until("a refuses", || a.problem("b").contains(refused)).await;
    wait_until("the stranger refuses", || {
        stranger.problem("a").contains(refused)
    })
    .await;
    // A stranger that trusts the grid, as somebody would who has seen its authority's certificate.
    other.tls.authority = make_bundles()[0].tls.authority.clone();
    let b = RunningMesh::start(&make_bundles()[1]).await;
    let own = make_bundles();
    let honest = RunningMesh::start(&own[0]).await;
    other.tls.authority = own[0].tls.authority.clone();
    let intruder = RunningMesh::start(&other).await;
    intruder.dial("a", honest.mesh.address());
    wait_until("the intruder is refused", || {
        let (count, last) = honest.mesh.peers().refusals();
        count > 0 && last.unwrap_or_default().contains(refused)
    })
    .await;
    assert!(!honest.hears("b") && !a.hears("b") && !stranger.hears("a"));
    drop(b);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_for_another_one_is_refused() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let c = RunningMesh::start(&bundles[2]).await;
    a.dial("b", c.mesh.address());
    wait_until("c is refused", || {
        a.problem("b").contains("not valid for name")
    })
    .await;
    assert!(!a.hears("b") && !a.hears("c"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_is_hung_up_on_and_refused() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let b = RunningMesh::start(&bundles[1]).await;
    a.dial("b", b.mesh.address());
    b.dial("a", a.mesh.address());
    wait_until("both are heard", || a.hears("b") && b.hears("a")).await;
    a.mesh.removed().insert(name("b"));
    wait_until("b is silent on both connections", || {
        !a.hears("b") && !b.hears("a")
    })
    .await;
    wait_until("b is refused by name", || {
        let (_, last) = a.mesh.peers().refusals();
        last.unwrap_or_default()
            .contains("node b was removed from the grid")
    })
    .await;
    a.mesh.removed().replace([].into());
    wait_until("b is let in again", || a.hears("b") && b.hears("a")).await;
    a.mesh.remove_peer(&name("b"));
    assert!(
        a.mesh
            .open_channel(&name("b"), grid::name::LeaderEpoch(1))
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_gets_no_answer() {
    let a = RunningMesh::start(&make_bundles()[0]).await;
    let mut stream = TcpStream::connect(a.mesh.address()).await.expect("listens");
    let request = b"POST /mesh/channel HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.expect("sends");
    let mut answer = Vec::new();
    let _ = in_time("the connection ends", stream.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    wait_until("the stranger is counted", || {
        a.mesh.peers().refusals().0 == 1
    })
    .await;
}

//! Peers that are refused: of another grid, of another name, removed, or without TLS.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh::bundle::NodeBundle;
use mesh::tls::{MeshTls, RemovedNodes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::rig::{RunningMesh, in_time, make_bundles, name, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_grid_is_refused() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
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
    // A stranger that trusts the grid, as somebody would who has seen the certificate of its authority.
    other.tls.authority = bundles[0].tls.authority.clone();
    let intruder = RunningMesh::start(&other).await;
    intruder.dial("a", a.mesh.address());
    wait_until("the intruder is refused", || {
        let (_, last) = a.mesh.peers().refusals();
        last.unwrap_or_default().contains(refused)
    })
    .await;
    assert!(!a.hears("b") && !stranger.hears("a") && !intruder.hears("a"));
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

/// Opens a stream as a node of the grid, and sends bytes that no node would. Returns the status and what comes back.
async fn send_raw(
    bundle: &NodeBundle,
    to: (&str, SocketAddr),
    path: &str,
    bytes: Vec<u8>,
) -> (u16, Vec<u8>) {
    let tls = MeshTls::new(bundle, &RemovedNodes::new()).expect("valid");
    let stream = TcpStream::connect(to.1).await.expect("listens");
    let name = to.0.to_owned().try_into().expect("a name");
    let stream = TlsConnector::from(tls.client).connect(name, stream).await;
    let stream = TokioIo::new(stream.expect("one grid"));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
    let (mut requests, connection) = handshake.expect("HTTP/2");
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = http::Request::post(format!("https://mesh{path}"));
    let request = request.body(Full::new(Bytes::from(bytes))).expect("valid");
    let response = in_time("an answer", requests.send_request(request)).await;
    let response = response.expect("an answer");
    let status = response.status().as_u16();
    let body = in_time("the stream ends", response.into_body().collect()).await;
    let body = body
        .map(|body| body.to_bytes().to_vec())
        .unwrap_or_default();
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_against_the_rules_end_their_stream_and_nothing_else() {
    let bundles = make_bundles();
    let a = RunningMesh::start(&bundles[0]).await;
    let c = RunningMesh::start(&bundles[2]).await;
    c.dial("a", a.mesh.address());
    wait_until("both are heard", || a.hears("c") && c.hears("a")).await;
    let to = ("a", a.mesh.address());
    let oversized = vec![0xff; 1_000];
    let newer = br#"{"version":99,"body":{}}"#;
    let mut newer_frame = vec![0, 0, 0, u8::try_from(newer.len()).expect("short")];
    newer_frame.extend(newer);
    for bytes in [oversized, newer_frame, b"\0\0\0\x02{}".to_vec()] {
        let (status, body) = send_raw(&bundles[1], to, "/mesh/channel", bytes).await;
        assert_eq!((status, body), (200, Vec::new()));
    }
    let (status, _) = send_raw(&bundles[1], to, "/mesh/other", Vec::new()).await;
    assert_eq!(status, 404);
    assert!(a.hears("c") && c.hears("a"));
}

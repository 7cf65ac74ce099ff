//! Tests of both configurations against each other, over pipes in memory.

use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::bundle::{EngineCount, GridKey, NewGrid, create_bundles, plan_nodes};

fn make_grid() -> NewGrid {
    let nodes = ["a=10.0.0.1", "b=10.0.0.2", "c=10.0.0.3"];
    let nodes = plan_nodes(&nodes, None, EngineCount::Three).expect("valid");
    let key = GridKey::generate().expect("random");
    create_bundles(&nodes, &key, SystemTime::now()).expect("a grid")
}

fn tls(bundle: &NodeBundle) -> MeshTls {
    MeshTls::new(bundle, &RemovedNodes::new()).expect("valid")
}

/// Connects two nodes and sends a byte each way. Returns the name of the client as the server sees it, or the errors of
/// the client and the server.
async fn connect(
    client: &ClientConfig,
    server: &ServerConfig,
    dialled: &str,
) -> Result<NodeId, (String, String)> {
    let (near, far) = duplex(16 * 1024);
    let client = TlsConnector::from(Arc::new(client.clone()));
    let server = TlsAcceptor::from(Arc::new(server.clone()));
    let name = server_name(&dialled.parse().expect("a name")).expect("valid");
    let dial = async {
        let mut stream = client.connect(name, near).await?;
        stream.write_all(b"x").await?;
        stream.read_u8().await
    };
    let accept = async {
        let mut stream = server.accept(far).await?;
        let (_, session) = stream.get_ref();
        let certificates = session.peer_certificates().expect("required");
        let peer = read_peer_name(&certificates[0]).expect("checked");
        stream.read_u8().await?;
        stream.write_all(b"y").await?;
        stream.flush().await?;
        Ok::<NodeId, std::io::Error>(peer)
    };
    match tokio::join!(dial, accept) {
        (Ok(_), Ok(peer)) => Ok(peer),
        (dialled, accepted) => {
            let tell = |error: std::io::Error| {
                find_certificate_error(&error)
                    .map_or_else(|| error.to_string(), |own| own.to_string())
            };
            let text = |error: Option<std::io::Error>| error.map(tell);
            Err((
                text(dialled.err()).unwrap_or_default(),
                text(accepted.err()).unwrap_or_default(),
            ))
        }
    }
}

#[tokio::test]
async fn nodes_of_one_grid_know_each_other_by_name() {
    let grid = make_grid();
    let [a, b, c] = [0, 1, 2].map(|at| tls(&grid.bundles[at]));
    assert_eq!(
        connect(&a.client, &b.server, "b").await,
        Ok("a".parse().expect("a name"))
    );
    assert_eq!(
        connect(&c.client, &a.server, "a").await,
        Ok("c".parse().expect("a name"))
    );
}

#[tokio::test]
async fn a_node_that_answers_for_another_one_is_refused() {
    let grid = make_grid();
    let [a, b] = [0, 1].map(|at| tls(&grid.bundles[at]));
    let (client, _) = connect(&a.client, &b.server, "c").await.expect_err("not c");
    assert!(client.contains("not valid for name"), "{client}");
}

#[tokio::test]
async fn nodes_of_another_grid_are_refused_on_both_sides() {
    let (grid, other) = (make_grid(), make_grid());
    let (a, stranger) = (tls(&grid.bundles[0]), tls(&other.bundles[1]));
    let (client, _) = connect(&a.client, &stranger.server, "b")
        .await
        .expect_err("unknown");
    assert!(client.contains("invalid peer certificate"), "{client}");
    // A client that trusts the server, with a certificate of another grid.
    let mut mixed = other.bundles[1].clone();
    mixed.tls.authority = grid.bundles[0].tls.authority.clone();
    let (_, server) = connect(&tls(&mixed).client, &a.server, "a")
        .await
        .expect_err("unknown");
    assert!(server.contains("invalid peer certificate"), "{server}");
}

#[tokio::test]
async fn removed_nodes_are_refused_on_both_sides() {
    let grid = make_grid();
    let removed = RemovedNodes::new();
    let a = MeshTls::new(&grid.bundles[0], &removed).expect("valid");
    let b = tls(&grid.bundles[1]);
    assert!(connect(&b.client, &a.server, "a").await.is_ok());
    removed.insert("b".parse().expect("a name"));
    let (client, _) = connect(&a.client, &b.server, "b")
        .await
        .expect_err("removed");
    assert!(client.contains("node b was removed"), "{client}");
    let (_, server) = connect(&b.client, &a.server, "a")
        .await
        .expect_err("removed");
    assert!(server.contains("node b was removed"), "{server}");
    removed.replace([].into());
    assert!(connect(&b.client, &a.server, "a").await.is_ok());
}

#[tokio::test]
async fn clients_without_a_certificate_and_older_tls_are_refused() {
    let grid = make_grid();
    let a = tls(&grid.bundles[0]);
    let provider = Arc::new(ring::default_provider());
    let roots = decode_certificate(&grid.bundles[1].tls)
        .expect("valid")
        .roots;
    let bare = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .expect("known")
        .with_root_certificates(Arc::clone(&roots))
        .with_no_client_auth();
    let (_, server) = connect(&bare, &a.server, "a")
        .await
        .expect_err("no certificate");
    assert!(server.contains("sent no certificates"), "{server}");
    let own = decode_certificate(&grid.bundles[1].tls).expect("valid");
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("known")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own.own], own.key)
        .expect("valid");
    let (_, server) = connect(&old, &a.server, "a").await.expect_err("TLS 1.2");
    assert!(server.contains("incompatible"), "{server}");
}

//! Connections that a node opens: one to each peer, opened again whenever it ends.
//!
//! Owns when a peer is dialled, and the connection's heartbeats. Must not know channels: they take the connection that
//! the dialler offers.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use grid::name::NodeId;
use http::{Method, Request, StatusCode};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::back_off::DialBackOff;
use super::frame_stream::{IncomingFrames, MeshStreamError, OutgoingFrames, outgoing_frames};
use super::heartbeat::exchange_heartbeats;
use super::limits::{HANDSHAKE_TIMEOUT, OPEN_STREAM_TIMEOUT, client_builder};
use super::peer_table::PeerTable;
use crate::tls::{MeshTls, RemovedNodes, find_certificate_error, server_name};

/// The path of the stream of heartbeats.
pub(super) const HEARTBEATS_PATH: &str = "/mesh/heartbeats";
/// The path of the stream of a channel.
pub(super) const CHANNEL_PATH: &str = "/mesh/channel";

/// A connection to a peer, on which streams can be opened; `None` while there is none.
pub(super) type PeerConnection = Option<SendRequest<OutgoingFrames>>;

/// What a node's tasks share.
pub(super) struct MeshContext {
    pub(super) incarnation: u64,
    pub(super) tls: MeshTls,
    pub(super) removed: RemovedNodes,
    pub(super) peers: PeerTable,
}

/// A connection to a peer could not be opened, or has ended.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("the address does not answer in time")]
    Timeout,
    #[error("the address cannot be reached")]
    Connect(#[source] std::io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    #[error("the name of the node cannot stand in a certificate")]
    Name(#[source] tokio_rustls::rustls::pki_types::InvalidDnsNameError),
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    #[error("the heartbeats ended")]
    Heartbeats(#[source] MeshStreamError),
}

/// Dials a peer for as long as the task lives.
pub(super) async fn keep_connected(
    context: Arc<MeshContext>,
    peer: NodeId,
    address: SocketAddr,
    offer: watch::Sender<PeerConnection>,
    seed: u64,
) {
    let mut back_off = DialBackOff::new(seed);
    loop {
        context.removed.wait_until(&peer, false).await;
        let heard_before = last_heard(&context, &peer);
        let ended = tokio::select! {
            ended = connect_once(&context, &peer, address, &offer) => ended,
            () = context.removed.wait_until(&peer, true) => Ok(()),
        };
        offer.send_replace(None);
        if last_heard(&context, &peer) > heard_before {
            back_off.reset();
        }
        if let Err(error) = ended {
            context.peers.record_problem(&peer, describe(&error));
        }
        sleep(back_off.next_wait()).await;
    }
}

fn last_heard(context: &MeshContext, peer: &NodeId) -> Option<tokio::time::Instant> {
    context.peers.record(peer).map(|record| record.last_heard)
}

/// Opens a connection and keeps it until it ends.
async fn connect_once(
    context: &MeshContext,
    peer: &NodeId,
    address: SocketAddr,
    offer: &watch::Sender<PeerConnection>,
) -> Result<(), DialError> {
    let name = server_name(peer).map_err(DialError::Name)?;
    let open = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(DialError::Connect)?;
        stream.set_nodelay(true).map_err(DialError::Connect)?;
        let connector = TlsConnector::from(Arc::clone(&context.tls.client));
        let stream = connector.connect(name, stream).await;
        stream.map_err(DialError::Handshake)
    };
    let stream = timeout(HANDSHAKE_TIMEOUT, open).await;
    let stream = stream.map_err(|_| DialError::Timeout)??;
    let (requests, connection) = client_builder()
        .handshake(TokioIo::new(stream))
        .await
        .map_err(DialError::Broken)?;
    let heartbeats = async {
        let (feeder, incoming) = open_stream(requests.clone(), HEARTBEATS_PATH).await?;
        // The peer has answered over this connection: only now is it of use to others.
        offer.send_replace(Some(requests.clone()));
        exchange_heartbeats(peer, context.incarnation, &context.peers, incoming, feeder).await
    };
    tokio::select! {
        ended = connection => ended.map_err(DialError::Broken),
        ended = heartbeats => ended.map_err(DialError::Heartbeats),
    }
}

/// Opens a stream on a connection. Returns what feeds the request and what reads the response.
pub(super) async fn open_stream(
    mut connection: SendRequest<OutgoingFrames>,
    path: &str,
) -> Result<(tokio::sync::mpsc::Sender<bytes::Bytes>, IncomingFrames), MeshStreamError> {
    let (feeder, body) = outgoing_frames();
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("https://mesh{path}")
        .parse()
        .expect("a constant path");
    let answer = async {
        connection
            .ready()
            .await
            .map_err(MeshStreamError::Connection)?;
        let response = connection.send_request(request).await;
        response.map_err(MeshStreamError::Connection)
    };
    let response = timeout(OPEN_STREAM_TIMEOUT, answer).await;
    let response = response.map_err(|_| MeshStreamError::NoAnswer)??;
    if response.status() != StatusCode::OK {
        return Err(MeshStreamError::Status(response.status()));
    }
    Ok((feeder, IncomingFrames::new(response.into_body())))
}

/// The reasons of a failure, in one line. A refused certificate is told in this crate's own words.
fn describe(error: &DialError) -> String {
    if let DialError::Handshake(error) = error
        && let Some(own) = find_certificate_error(error)
    {
        return own.to_string();
    }
    describe_chain(error)
}

/// An error and its sources, in one line.
pub(super) fn describe_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

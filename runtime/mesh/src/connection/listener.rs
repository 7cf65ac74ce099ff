//! Connections that a node accepts.
//!
//! Owns the accept loop and the service of each connection. Must not know who leads.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grid::name::NodeId;
use grid::protocol::Report;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::dialler::{CHANNEL_PATH, HEARTBEATS_PATH, MeshContext, describe_chain};
use super::frame_stream::{IncomingFrames, OutgoingFrames, outgoing_frames};
use super::heartbeat::exchange_heartbeats;
use super::limits::{ACCEPTED_MAX, HANDSHAKE_TIMEOUT, server_builder};
use super::shared_end::SharedEnd;
use crate::channel::NodeEnd;
use crate::tls::{find_certificate_error, read_peer_name};

/// The pause after a failed `accept`, such as one without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Streams of one connection that wait for their task.
const STREAM_JOBS_MAX: usize = 16;

/// The node's end of the channel, which the streams of all connections share.
pub(super) type SharedNodeEnd = SharedEnd<NodeEnd<Report>>;

/// A stream that a peer has opened.
struct StreamJob {
    kind: StreamKind,
    incoming: IncomingFrames,
    outgoing: mpsc::Sender<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamKind {
    Heartbeats,
    Channel,
}

/// Accepts connections for as long as the task lives. All of them end with it.
pub(super) async fn accept_connections(
    context: Arc<MeshContext>,
    node_end: Arc<SharedNodeEnd>,
    listener: TcpListener,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < ACCEPTED_MAX => match accepted {
                Ok((stream, _)) => {
                    let (context, node_end) = (Arc::clone(&context), Arc::clone(&node_end));
                    connections.spawn(serve_connection(context, node_end, stream));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(
    context: Arc<MeshContext>,
    node_end: Arc<SharedNodeEnd>,
    stream: TcpStream,
) {
    let Some((peer, stream)) = authenticate(&context, stream).await else {
        return;
    };
    let (jobs, queue) = mpsc::channel(STREAM_JOBS_MAX);
    let service = service_fn(move |request| answer(jobs.clone(), request));
    let connection = server_builder().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        () = run_streams(&context, &node_end, &peer, queue) => {}
        () = context.removed.wait_until(&peer, true) => {}
    }
}

/// Lets a peer show its certificate. Returns its name, or records why it was refused.
async fn authenticate(
    context: &MeshContext,
    stream: TcpStream,
) -> Option<(NodeId, TlsStream<TcpStream>)> {
    let source = stream.peer_addr().map(|address| address.ip()).ok()?;
    stream.set_nodelay(true).ok()?;
    let acceptor = TlsAcceptor::from(Arc::clone(&context.tls.server));
    let refuse = |reason: String| {
        context.peers.record_refusal(format!("{source}: {reason}"));
    };
    let stream = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let own = find_certificate_error(&error).map(|own| own.to_string());
            refuse(own.unwrap_or_else(|| describe_chain(&error)));
            return None;
        }
        Err(_) => {
            refuse("no TLS handshake in time".to_owned());
            return None;
        }
    };
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    match read_peer_name(certificate) {
        Ok(peer) => Some((peer, stream)),
        Err(error) => {
            refuse(error.to_string());
            None
        }
    }
}

/// Answers the begin of a stream, and hands the stream to the connection's task.
async fn answer(
    jobs: mpsc::Sender<StreamJob>,
    request: Request<Incoming>,
) -> Result<Response<OutgoingFrames>, Infallible> {
    let kind = match (request.method(), request.uri().path()) {
        (&Method::POST, HEARTBEATS_PATH) => Some(StreamKind::Heartbeats),
        (&Method::POST, CHANNEL_PATH) => Some(StreamKind::Channel),
        _ => None,
    };
    let (outgoing, body) = outgoing_frames();
    let mut response = Response::new(body);
    let Some(kind) = kind else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    let job = StreamJob {
        kind,
        incoming: IncomingFrames::new(request.into_body()),
        outgoing,
    };
    if jobs.try_send(job).is_err() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Runs the streams of a connection, until the peer's heartbeats end.
async fn run_streams(
    context: &Arc<MeshContext>,
    node_end: &Arc<SharedNodeEnd>,
    peer: &NodeId,
    mut queue: mpsc::Receiver<StreamJob>,
) {
    let mut streams: JoinSet<StreamKind> = JoinSet::new();
    // A connection that never has a heartbeat is of no use.
    let mut first_heartbeat = Some(Box::pin(sleep(HANDSHAKE_TIMEOUT)));
    loop {
        tokio::select! {
            Some(job) = queue.recv() => {
                if job.kind == StreamKind::Heartbeats {
                    first_heartbeat = None;
                }
                streams.spawn(run_stream(Arc::clone(context), Arc::clone(node_end), peer.clone(), job));
            }
            Some(ended) = streams.join_next() => {
                if !matches!(ended, Ok(StreamKind::Channel)) {
                    return;
                }
            }
            () = async { match &mut first_heartbeat {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }} => return,
        }
    }
}

async fn run_stream(
    context: Arc<MeshContext>,
    node_end: Arc<SharedNodeEnd>,
    peer: NodeId,
    job: StreamJob,
) -> StreamKind {
    let (incoming, outgoing) = (job.incoming, job.outgoing);
    let ended = match job.kind {
        StreamKind::Heartbeats => {
            let incarnation = context.incarnation;
            exchange_heartbeats(&peer, incarnation, &context.peers, incoming, outgoing).await
        }
        StreamKind::Channel => node_end.run_stream(incoming, outgoing).await,
    };
    if let Err(error) = ended {
        context.peers.record_problem(&peer, describe_chain(&error));
    }
    job.kind
}

//! Requests to a server dyno: HTTP/1.1 over a connection to its `$PORT`, which is kept for the next request.
//!
//! A server is free when it has accepted a connection: after each response, the call waits until the server takes the
//! next request on the same connection or accepts a new one. So a request never waits at a dyno that is busy with the
//! one before. Must not know routes, nor what happens to the dyno.
//!
//! Tasks: one for each connection, which drives the connection and ends with it.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use exchange::{Reply, RequestBody};
use grid::protocol::Refusal;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::guest::network::port::{CONNECT_TIMEOUT, NotListening, ServerPort};
use crate::instance::outcome::CallOutcome;
use crate::program::response_framing::{ConnectionReuse, UnknownCoding, normalize_framing};

/// How long a connection may take to become ready for the next request, before a new one is made.
const KEEP_GRACE: Duration = Duration::from_secs(1);

/// The most bytes of a response's head that are read: more than the 512 KiB that the router accepts, so that the
/// router refuses it.
const HEAD_BYTES_MAX: usize = 1024 * 1024;
/// The most headers of a response that are read: one more than the router accepts, so that the router refuses it.
const HEADERS_MAX: usize = 1_001;

/// A server that is up: its port, and a connection that it has accepted.
pub(crate) struct ServerProgram {
    port: Arc<ServerPort>,
    connection: Option<ServerConnection>,
}

/// A connection to the server.
struct ServerConnection {
    sender: SendRequest<RequestBody>,
    driver: JoinHandle<()>,
}

impl Drop for ServerConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A connection that has switched to another protocol. The dyno is in use until this is dropped.
struct ServerTunnel {
    server: TokioIo<Upgraded>,
    _held: oneshot::Sender<()>,
}

impl AsyncRead for ServerTunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll_read(cx, to)
    }
}

impl AsyncWrite for ServerTunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.server).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for ServerTunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTunnel")
    }
}

impl ServerConnection {
    async fn open(port: &ServerPort) -> Result<ServerConnection, NotListening> {
        let stream = port.connect().await?;
        let mut builder = http1::Builder::new();
        builder
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX);
        let handshake = builder.handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|_| NotListening)?;
        let connection = connection.with_upgrades();
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(ServerConnection { sender, driver })
    }
}

impl ServerProgram {
    /// Waits until the guest listens and has accepted a connection.
    pub(crate) async fn wait_until_up(port: Arc<ServerPort>) -> ServerProgram {
        loop {
            port.wait_until_listening().await;
            if let Ok(connection) = ServerConnection::open(&port).await {
                let connection = Some(connection);
                return ServerProgram { port, connection };
            }
        }
    }

    /// Sends `request` to the guest. Ready with the server when it can take another request.
    pub(crate) async fn call(
        mut self,
        mut request: Request<RequestBody>,
        mut reply: Reply,
    ) -> Result<(ServerProgram, CallOutcome), NotListening> {
        let began = Instant::now();
        prepare_request(&mut request, &reply);
        let method = request.method().clone();
        let asks = request.headers().contains_key(header::UPGRADE);
        let kept = self
            .connection
            .take()
            .filter(|connection| !connection.sender.is_closed());
        let fresh = kept.is_none();
        let mut connection = match kept {
            Some(connection) => connection,
            None => match self.connect_for_request(&mut reply).await? {
                Ok(connection) => connection,
                Err(server) => return Ok((server, CallOutcome::Incomplete(LATE))),
            },
        };
        reply.set_connect_time(began.elapsed());
        let mut left = pin!(reply.client_left());
        let mut sent =
            unless_client_leaves(left.as_mut(), connection.sender.try_send_request(request)).await;
        if let Some(Err(error)) = &mut sent
            && !fresh
            && let Some(request) = error.take_message()
        {
            // The connection was closed meanwhile, before the server saw any of the request.
            connection = match self.connect_for_request(&mut reply).await? {
                Ok(connection) => connection,
                Err(server) => return Ok((server, CallOutcome::Incomplete(LATE))),
            };
            sent = unless_client_leaves(left.as_mut(), connection.sender.try_send_request(request))
                .await;
        }
        let outcome = match sent {
            Some(Ok(response)) if asks && response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let outcome = pass_upgrade(response, reply).await;
                drop(connection);
                self.reconnect().await?;
                return Ok((self, outcome));
            }
            Some(Ok(response)) => {
                let passed = pass_response(&method, response, reply, &self.port);
                unless_client_leaves(left.as_mut(), passed).await
            }
            Some(Err(error)) => Some(PassedResponse::without_reuse(describe_missing_response(
                &error.into_error(),
                reply,
            ))),
            None => None,
        };
        let Some(passed) = outcome else {
            // Nobody waits for the response. The server sees the end of the connection, and is free when it has
            // accepted another.
            drop(connection);
            self.reconnect().await?;
            return Ok((self, CallOutcome::Complete));
        };
        self.wait_for_next(connection, passed).await
    }

    /// Waits after a response until the server can take another request, on the same connection or a new one.
    async fn wait_for_next(
        mut self,
        mut connection: ServerConnection,
        passed: PassedResponse,
    ) -> Result<(ServerProgram, CallOutcome), NotListening> {
        let PassedResponse {
            outcome,
            reuse,
            next,
        } = passed;
        if outcome == CallOutcome::Complete && reuse == ConnectionReuse::Yes {
            let usable = timeout(KEEP_GRACE, connection.sender.ready()).await;
            if matches!(usable, Ok(Ok(()))) {
                self.connection = Some(connection);
                return Ok((self, outcome));
            }
        }
        drop(connection);
        match next {
            Some(next) => self.connection = Some(next),
            None => self.reconnect().await?,
        }
        Ok((self, outcome))
    }

    /// Makes a new connection for a request that waits for it. If the server accepts too late, returns the server
    /// instead.
    async fn connect_for_request(
        &mut self,
        reply: &mut Reply,
    ) -> Result<Result<ServerConnection, ServerProgram>, NotListening> {
        let port = Arc::clone(&self.port);
        let mut connecting = Box::pin(ServerConnection::open(&port));
        match timeout(CONNECT_TIMEOUT, &mut connecting).await {
            Ok(Ok(connection)) => Ok(Ok(connection)),
            Ok(Err(gone)) => {
                reply.fail(Refusal::BackendRefused);
                Err(gone)
            }
            Err(_) => {
                reply.fail(Refusal::BackendTimeout);
                // A server is free when it accepts. The caller limits how long that may take.
                let connection = Some(connecting.await?);
                let port = Arc::clone(&self.port);
                Ok(Err(ServerProgram { port, connection }))
            }
        }
    }

    /// Waits until the guest has accepted another connection.
    async fn reconnect(&mut self) -> Result<(), NotListening> {
        self.connection = Some(ServerConnection::open(&self.port).await?);
        Ok(())
    }
}

/// The result of `work`, or `None` if the client leaves first.
async fn unless_client_leaves<T>(
    mut left: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        left.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Prepares a request to be sent: with the host's own HTTP version, whatever the client used (RFC 9110, 2.5), and
/// with interim responses passed on.
fn prepare_request(request: &mut Request<RequestBody>, reply: &Reply) {
    origin_form(request);
    *request.version_mut() = Version::HTTP_11;
    let interim = reply.interim_sender();
    hyper::ext::on_informational(request, move |response| {
        interim(response.status(), response.headers());
    });
}

/// Puts the target into origin form, as sent to the server itself.
fn origin_form(request: &mut Request<RequestBody>) {
    if request.uri().authority().is_some() {
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    }
}

/// The log text for a head that was not read completely.
const HEAD_TOO_LARGE: &str = "the response is not valid HTTP: it has more than 1,000 headers, or they have more than 512 KiB";

/// The log text for a transfer coding that was not requested.
const UNKNOWN_CODING: &str = "the response is not valid HTTP: its Transfer-Encoding is not chunked, and no other was asked for";

/// The log text for a server that was too slow to accept.
const LATE: &str = "the server did not accept a connection in time";

/// The result of passing a response on.
struct PassedResponse {
    outcome: CallOutcome,
    /// Whether the connection can be used again after the response.
    reuse: ConnectionReuse,
    /// A new connection that the server has accepted meanwhile.
    next: Option<ServerConnection>,
}

impl PassedResponse {
    fn without_reuse(outcome: CallOutcome) -> PassedResponse {
        PassedResponse {
            outcome,
            reuse: ConnectionReuse::No,
            next: None,
        }
    }
}

/// Passes a response on to the reply.
async fn pass_response(
    method: &Method,
    response: Response<Incoming>,
    mut reply: Reply,
    port: &ServerPort,
) -> PassedResponse {
    let (mut head, body) = response.into_parts();
    let reuse = match normalize_framing(method, &mut head) {
        Ok(reuse) => reuse,
        Err(UnknownCoding) => {
            reply.reject("transfer-encoding");
            return PassedResponse::without_reuse(CallOutcome::Incomplete(UNKNOWN_CODING));
        }
    };
    if let Err(bad) = reply.send_head(head) {
        return PassedResponse::without_reuse(CallOutcome::Incomplete(bad.reason()));
    }
    let mut passed = PassedResponse {
        outcome: CallOutcome::Complete,
        reuse,
        next: None,
    };
    match pass_body(body, &mut reply).await {
        Ok(trailers) => {
            if reuse == ConnectionReuse::Ends {
                // If the connection has ended, the program may have ended too.
                match timeout(KEEP_GRACE, ServerConnection::open(port)).await {
                    Ok(Ok(connection)) => passed.next = Some(connection),
                    Ok(Err(NotListening)) => {
                        passed.outcome = CallOutcome::Incomplete(BROKE_OFF);
                        return passed;
                    }
                    // The server is busy with something else.
                    Err(_) => {}
                }
            }
            reply.finish(trailers);
        }
        Err(why) => passed.outcome = CallOutcome::Incomplete(why),
    }
    passed
}

/// Passes a body on to its end, and returns its trailers.
async fn pass_body(
    mut body: Incoming,
    reply: &mut Reply,
) -> Result<Option<HeaderMap>, &'static str> {
    loop {
        std::future::poll_fn(|cx| reply.poll_ready(cx)).await;
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => reply.send_data(data),
                Err(frame) => return Ok(frame.into_trailers().ok()),
            },
            Some(Err(_)) => return Err(BROKE_OFF),
            None => return Ok(None),
        }
    }
}

/// The log text for an incomplete body.
const BROKE_OFF: &str = "the server broke off before its response was complete";

/// Hands the connection to the client that asked to switch protocols, and waits for its end.
async fn pass_upgrade(response: Response<Incoming>, mut reply: Reply) -> CallOutcome {
    let (head, body) = response.into_parts();
    let (copy, ()) = {
        let mut copy = Response::new(());
        *copy.status_mut() = head.status;
        *copy.headers_mut() = head.headers.clone();
        copy.into_parts()
    };
    let upgraded = hyper::upgrade::on(Response::from_parts(head, body)).await;
    let Ok(upgraded) = upgraded else {
        return CallOutcome::Incomplete("the server broke off while it switched protocols");
    };
    let (held, ended) = oneshot::channel();
    let tunnel = ServerTunnel {
        server: TokioIo::new(upgraded),
        _held: held,
    };
    if let Err(bad) = reply.switch_protocols(copy, Box::new(tunnel)) {
        return CallOutcome::Incomplete(bad.reason());
    }
    drop(reply);
    // The sender is dropped when the tunnel ends.
    let _ = ended.await;
    CallOutcome::Complete
}

/// Handles a request for which no response came.
fn describe_missing_response(error: &hyper::Error, mut reply: Reply) -> CallOutcome {
    if error.is_parse_too_large() {
        reply.reject("headers-too-large");
        return CallOutcome::Incomplete(HEAD_TOO_LARGE);
    }
    if error.is_parse() {
        reply.reject("malformed");
        return CallOutcome::Incomplete("the response is not valid HTTP");
    }
    CallOutcome::Incomplete("the server closed the connection without a response")
}

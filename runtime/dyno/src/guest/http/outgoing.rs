//! `wasi:http` requests that a guest sends: the target is resolved once, checked, dialled and counted.
//!
//! The engine's default would dial any address; this code asks the [`EgressGate`]. Open requests and sockets of a
//! dyno share one limit. A request is open until its response's body has ended or was dropped; then its connection is
//! kept for the app's next request.

pub(crate) mod body;
mod dial;
mod permit;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::uri::Scheme;
use http::{HeaderName, Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::guest::limits::handles::STREAM_CHUNK_BYTES_MAX;
use crate::guest::network::connection::{ClientConnection, ConnectionTarget, OutgoingRequestBody};
use crate::guest::network::gate::EgressGate;
use body::{ConnectionLease, FetchedBody};
use dial::connect_to;
use permit::RequestPermit;

/// The longest wait for a connection, for the first byte or for the next byte, unless the guest sets one.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);

type IoResult = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(Response<WasiBody>, IoResult), Error>;

/// The host's side of a guest's outgoing requests.
pub(crate) struct OutgoingRequests {
    gate: EgressGate,
    open: Arc<AtomicUsize>,
    open_max: usize,
    /// Sockets that the guest had open at its last request.
    pub(crate) sockets: usize,
}

impl OutgoingRequests {
    /// `open_max` limits the open requests and sockets together.
    pub(crate) fn new(gate: EgressGate, open_max: usize) -> OutgoingRequests {
        OutgoingRequests {
            gate,
            open: Arc::default(),
            open_max,
            sockets: 0,
        }
    }

    /// The number of open requests.
    pub(crate) fn open_count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    fn take_permit(&self) -> Result<RequestPermit, Error> {
        let permit = RequestPermit(Arc::clone(&self.open));
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        match before + self.sockets < self.open_max {
            true => Ok(permit),
            false => Err(Error::ConnectionLimitReached),
        }
    }
}

impl WasiHttpHooks for OutgoingRequests {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: IoResult,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let gate = self.gate.clone();
        let permit = self.take_permit();
        Box::new(
            async move { send_checked(&gate, request, options.unwrap_or_default(), permit?).await },
        )
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        STREAM_CHUNK_BYTES_MAX
    }
}

/// Whether guests may neither see nor set a header. The same rule as the engine's default, which allocates at each
/// call.
pub(crate) fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

async fn send_checked(
    gate: &EgressGate,
    request: Request<WasiBody>,
    options: RequestOptions,
    permit: RequestPermit,
) -> Answer {
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let target = parse_target(request.uri())?;
    let request = origin_form(request)?.map(OutgoingRequestBody::of);
    let first_byte = options.first_byte_timeout.unwrap_or(TIMEOUT_DEFAULT);
    let open = |addr| gate.allows_without_lookup(&target.host, addr);
    let first = match gate.app.pool.take(&target, open) {
        Some(connection) => send_once(connection, request, first_byte).await?,
        None => SendAttempt::Again(request),
    };
    let (connection, response) = match first {
        SendAttempt::Answer(connection, response) => (connection, response),
        SendAttempt::Again(request) => {
            let limit = options.connect_timeout.unwrap_or(TIMEOUT_DEFAULT);
            let connection = tokio::time::timeout(limit, connect_to(gate, &target)).await;
            let connection = connection.map_err(|_| Error::ConnectionTimeout)??;
            match send_once(connection, request, first_byte).await? {
                SendAttempt::Answer(connection, response) => (connection, response),
                SendAttempt::Again(_) => return Err(Error::ConnectionTerminated),
            }
        }
    };
    let between = options.between_bytes_timeout.unwrap_or(TIMEOUT_DEFAULT);
    let lent = ConnectionLease::new(&gate.app, target, connection, permit);
    let response = response.map(|body| FetchedBody::new(body, between, lent).boxed_unsync());
    Ok((response, Box::new(async { Ok(()) })))
}

/// The target of a request. Without a port, it is the scheme's.
fn parse_target(uri: &Uri) -> Result<ConnectionTarget, Error> {
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    let tls = uri.scheme() != Some(&Scheme::HTTP);
    let host = authority.host();
    let port = match authority.port_u16() {
        Some(port) => port,
        // The authority has an invalid port or a user name.
        None if authority.as_str() != host => return Err(Error::HttpRequestUriInvalid),
        None if tls => 443,
        None => 80,
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match authority.as_str().contains('@') {
        true => Err(Error::HttpRequestUriInvalid),
        false => Ok(ConnectionTarget {
            tls,
            host: bare.unwrap_or(host).to_ascii_lowercase(),
            port,
        }),
    }
}

/// The request with the target in origin form, as sent to the server itself.
fn origin_form(mut request: Request<WasiBody>) -> Result<Request<WasiBody>, Error> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    *request.uri_mut() = Uri::try_from(path).map_err(|_| Error::HttpRequestUriInvalid)?;
    Ok(request)
}

/// The result of sending a request over one connection.
enum SendAttempt {
    Answer(ClientConnection, Response<Incoming>),
    /// The connection had ended before. The request may be sent over another one.
    Again(Request<OutgoingRequestBody>),
}

async fn send_once(
    mut connection: ClientConnection,
    request: Request<OutgoingRequestBody>,
    first_byte: Duration,
) -> Result<SendAttempt, Error> {
    let copy = copy_if_repeatable(&request);
    let sent = connection.sender.try_send_request(request);
    let sent = tokio::time::timeout(first_byte, sent).await;
    let mut error = match sent.map_err(|_| Error::ConnectionReadTimeout)? {
        Ok(response) => return Ok(SendAttempt::Answer(connection, response)),
        Err(error) => error,
    };
    if let Some(unsent) = error.take_message() {
        return Ok(SendAttempt::Again(unsent));
    }
    match (copy, is_terminated(error.error())) {
        (Some(copy), true) => Ok(SendAttempt::Again(copy)),
        (None, true) => Err(Error::ConnectionTerminated),
        (_, false) => Err(error.into_error().into()),
    }
}

/// Whether the server closed the connection without sending any part of a response.
fn is_terminated(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let io = std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>());
    let reset =
        |e: &std::io::Error| matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset);
    error.is_incomplete_message() || error.is_closed() || io.is_some_and(reset)
}

/// A copy of the request, if sending it twice is harmless (RFC 9110, 9.2.2) and it has no body.
fn copy_if_repeatable(
    request: &Request<OutgoingRequestBody>,
) -> Option<Request<OutgoingRequestBody>> {
    let length = request.headers().get(CONTENT_LENGTH);
    // For these methods, hyper sends no body of unknown length.
    let bare = matches!(*request.method(), Method::GET | Method::HEAD);
    let bodiless = request.body().is_end_stream()
        || length.is_some_and(|length| length == "0")
        || (bare && length.is_none());
    if !request.method().is_idempotent() || !bodiless {
        return None;
    }
    let mut copy = Request::new(OutgoingRequestBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(bool, String, u16)> {
        let target = parse_target(&text.parse().ok()?).ok()?;
        Some((target.tls, target.host, target.port))
    }

    #[test]
    fn request_target_has_one_host_and_one_port() {
        let is = |tls, host: &str, port| Some((tls, host.to_owned(), port));
        assert_eq!(of("http://Example.com/x"), is(false, "example.com", 80));
        assert_eq!(of("https://example.com"), is(true, "example.com", 443));
        assert_eq!(of("http://[FD00::1]:8080/"), is(false, "fd00::1", 8080));
        for text in [
            "http://user@example.com/",
            "http://127.0.0.1@example.com/",
            "http://example.com:99999/",
            "/path",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}

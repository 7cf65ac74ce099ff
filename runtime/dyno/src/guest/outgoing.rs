//! Outgoing `wasi:http` requests: resolved once, checked, dialled, counted.
//!
//! The engine's default would dial anything; this one asks the [`Gate`]. Connections of a dyno are
//! counted; one is open until its response's body has ended or was dropped.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::egress::Gate;
use super::limits::STREAM_CHUNK_BYTES_MAX;

/// Longest wait for a connection, a first byte or the next byte, if the guest names none.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);

type IoResult = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(Response<WasiBody>, IoResult), Error>;

/// The host's side of a guest's outgoing requests.
pub(crate) struct Outgoing {
    gate: Gate,
    connections: Arc<Semaphore>,
}

impl Outgoing {
    /// `connections_max`: connections open at once.
    pub(crate) fn new(gate: Gate, connections_max: usize) -> Outgoing {
        Outgoing {
            gate,
            connections: Arc::new(Semaphore::new(connections_max)),
        }
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: IoResult,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let gate = self.gate.clone();
        let permit = Arc::clone(&self.connections).try_acquire_owned();
        Box::new(async move {
            let permit = permit.map_err(|_| Error::ConnectionLimitReached)?;
            send(&gate, request, options.unwrap_or_default(), permit).await
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        STREAM_CHUNK_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        STREAM_CHUNK_BYTES_MAX
    }
}

async fn send(
    gate: &Gate,
    request: Request<WasiBody>,
    options: RequestOptions,
    permit: OwnedSemaphorePermit,
) -> Answer {
    let uri = request.uri();
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?.clone();
    let tls = uri.scheme() != Some(&Scheme::HTTP);
    let connect = async {
        let stream = dial(gate, &authority, tls).await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        handshake.await.map_err(Error::from)
    };
    let limit = options.connect_timeout.unwrap_or(TIMEOUT_DEFAULT);
    let (mut sender, connection) = tokio::time::timeout(limit, connect)
        .await
        .map_err(|_| Error::ConnectionTimeout)??;
    let driver = tokio::spawn(async move { drop(connection.await) });
    let guard = Open {
        driver,
        _permit: permit,
    };
    let limit = options.first_byte_timeout.unwrap_or(TIMEOUT_DEFAULT);
    let response = tokio::time::timeout(limit, sender.send_request(origin_form(request)?))
        .await
        .map_err(|_| Error::ConnectionReadTimeout)??;
    let between = options.between_bytes_timeout.unwrap_or(TIMEOUT_DEFAULT);
    let response = response.map(|body| ResponseBody::new(body, between, guard).boxed_unsync());
    Ok((response, Box::new(async { Ok(()) })))
}

/// The request as it goes over a connection to its own server.
fn origin_form(mut request: Request<WasiBody>) -> Result<Request<WasiBody>, Error> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    *request.uri_mut() = Uri::try_from(path).map_err(|_| Error::HttpRequestUriInvalid)?;
    Ok(request)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn dial(gate: &Gate, authority: &Authority, tls: bool) -> Result<Box<dyn Stream>, Error> {
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let found = found.map_err(|e| Error::DnsError {
        rcode: Some(e.to_string()),
        info_code: None,
    })?;
    // One resolution: what was checked here is what is dialled.
    let mut last = Error::DestinationIpProhibited;
    for addr in found.filter(|addr| gate.dial(*addr)) {
        match TcpStream::connect(addr).await {
            Ok(stream) if tls => return secure(stream, bare).await,
            Ok(stream) => return Ok(Box::new(stream)),
            Err(e) => last = Error::Connect(e),
        }
    }
    Err(last)
}

async fn secure(stream: TcpStream, host: &str) -> Result<Box<dyn Stream>, Error> {
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.into(),
        };
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    });
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::TlsCertificateError)?;
    let connector = TlsConnector::from(Arc::clone(&CONFIG));
    let stream = connector.connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Box::new(stream))
}

/// A connection that is open: counted, and closed when this is dropped.
struct Open {
    driver: tokio::task::JoinHandle<()>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A response's body that gives up when no byte comes for a while.
struct ResponseBody {
    body: hyper::body::Incoming,
    between: Duration,
    waiting: Option<Pin<Box<tokio::time::Sleep>>>,
    _open: Open,
}

impl ResponseBody {
    fn new(body: hyper::body::Incoming, between: Duration, open: Open) -> ResponseBody {
        ResponseBody {
            body,
            between,
            waiting: None,
            _open: open,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let between = this.between;
        let waiting = this
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

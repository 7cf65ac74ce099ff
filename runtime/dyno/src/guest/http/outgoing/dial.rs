//! Dials a target: one name lookup, each address checked, the first address that answers.
//!
//! Owns the longest time of an attempt. Must not know requests.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::io::TokioIo;

use crate::guest::network::connection::{ClientConnection, ConnectionTarget};
use crate::guest::network::gate::EgressGate;
use crate::guest::network::resolver::LookupError;
use crate::guest::network::tls::start_tls;

/// The most addresses of a name that are tried, one after the other.
const ATTEMPTS_MAX: usize = 4;
/// The longest time of an attempt, if another address is left to try.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);

trait DialledStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> DialledStream for T {}

pub(super) async fn connect_to(
    gate: &EgressGate,
    target: &ConnectionTarget,
) -> Result<ClientConnection, Error> {
    let (addr, stream) = dial_target(gate, target).await?;
    // Each request is written at once, so waiting for more data would only delay it.
    stream.set_nodelay(true).map_err(Error::Connect)?;
    let stream: Box<dyn DialledStream> = match target.tls {
        true => Box::new(start_tls(gate, &target.host, stream).await?),
        false => Box::new(stream),
    };
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await?;
    let driver = tokio::spawn(async move { drop(connection.await) });
    Ok(ClientConnection::new(sender, addr, driver))
}

async fn dial_target(
    gate: &EgressGate,
    target: &ConnectionTarget,
) -> Result<(SocketAddr, TcpStream), Error> {
    // The checked addresses are the ones that are dialled: the name is not resolved again.
    let found = gate.resolver.resolve(&target.host).await;
    let found = found.map_err(|error| map_lookup_error(&error))?;
    let mut open = Vec::with_capacity(found.len());
    for addr in found.into_iter().map(|ip| SocketAddr::new(ip, target.port)) {
        if gate.permits_dial(Some(&target.host), addr).await {
            open.push(addr);
        }
    }
    let mut last = Error::DestinationIpProhibited;
    let attempts = open.len().min(ATTEMPTS_MAX);
    for (number, addr) in open.into_iter().take(attempts).enumerate() {
        let attempt = TcpStream::connect(addr);
        let tried = match number + 1 < attempts {
            true => tokio::time::timeout(ATTEMPT_MAX, attempt).await,
            false => Ok(attempt.await),
        };
        match tried {
            Ok(Ok(stream)) => return Ok((addr, stream)),
            Ok(Err(error)) => last = map_connect_error(error),
            Err(_) => last = Error::ConnectionTimeout,
        }
    }
    Err(last)
}

fn map_lookup_error(error: &LookupError) -> Error {
    match error {
        LookupError::Invalid => Error::HttpRequestUriInvalid,
        LookupError::Timeout => Error::DnsTimeout,
        LookupError::Unknown | LookupError::Temporary => Error::DnsError {
            rcode: Some(error.to_string()),
            info_code: None,
        },
    }
}

fn map_connect_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable => Error::DestinationUnavailable,
        io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::Connect(error),
    }
}

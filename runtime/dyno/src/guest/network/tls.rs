//! TLS to other servers for a guest's outgoing requests.
//!
//! Must not know addresses.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};
use wasmtime_wasi_http::Error;

use crate::guest::network::gate::EgressGate;

/// The most TLS sessions that an app's connections cache.
const SESSIONS_MAX: usize = 64;

/// Starts TLS over `stream` with the server `host`, which must prove its identity.
pub(crate) async fn start_tls(
    gate: &EgressGate,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    // A DNS name may end in a dot, a name in a certificate does not.
    let name = host.strip_suffix('.').unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|_| Error::TlsCertificateError)?;
    let connector = tls_connector(gate).await?;
    connector
        .connect(name, stream)
        .await
        .map_err(|e| map_handshake_error(&e))
}

async fn tls_connector(gate: &EgressGate) -> Result<TlsConnector, Error> {
    let app = &gate.app;
    if let Some(there) = app.tls.get() {
        return Ok(there.clone());
    }
    let roots = app.node.roots.get().await.map_err(|why| {
        gate.log_notice(&format!(
            "Outbound TLS is not possible: the server cannot read the certificates that it trusts: {why}"
        ));
        Error::ConfigurationError
    })?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions();
    let config = config.map_err(|e| Error::InternalError(Some(e.to_string())))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    let fresh = TlsConnector::from(Arc::new(config));
    Ok(app.tls.get_or_init(|| fresh).clone())
}

/// Maps a failed handshake to an error of `wasi:http`.
fn map_handshake_error(error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Error::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}

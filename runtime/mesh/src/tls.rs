//! Mutual TLS between the nodes of a grid.
//!
//! Owns the configurations of both sides: TLS 1.3 only, certificates of the grid's authority only, and the set of
//! removed nodes. Must not know sockets, nor what is said over a connection.
//!
//! Sessions are never resumed: a resumed session would skip the check of the peer's certificate, and so let in a node
//! that was removed meanwhile.

mod peer_verifier;
mod removed;

pub use peer_verifier::{PeerCertificateError, find_certificate_error, read_peer_name};
pub use removed::RemovedNodes;

use std::sync::Arc;

use grid::name::NodeId;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, ServerConfig};

use crate::bundle::{CertificateProblem, NodeBundle, decode_certificate};
use peer_verifier::{DialledNodeVerifier, DiallingNodeVerifier};

/// The protocol that both sides agree on: HTTP/2.
const ALPN: &[u8] = b"h2";

/// The configurations of one node, for the connections that it accepts and for those that it opens.
#[derive(Clone, Debug)]
pub struct MeshTls {
    /// For accepted connections: the peer shows a certificate of a node that was not removed.
    pub server: Arc<ServerConfig>,
    /// For opened connections: the peer shows the certificate of exactly the dialled node, whose name is the server
    /// name of the connection, and which was not removed.
    pub client: Arc<ClientConfig>,
}

/// A bundle's certificates make no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum MeshTlsError {
    /// The certificates are not usable.
    #[error("the bundle's certificates are not usable")]
    Certificate(#[source] CertificateProblem),
    /// The authority's certificate is not usable.
    #[error("the certificate of the grid's authority is not usable")]
    Authority(#[from] VerifierBuilderError),
    /// The TLS library refuses.
    #[error("the bundle's certificates make no TLS configuration")]
    Tls(#[from] rustls::Error),
}

impl MeshTls {
    /// Makes the configurations from a node's bundle. Changes of `removed` take effect at the next connection.
    pub fn new(bundle: &NodeBundle, removed: &RemovedNodes) -> Result<Self, MeshTlsError> {
        let provider = Arc::new(ring::default_provider());
        let server = build_server(bundle, removed, Arc::clone(&provider))?;
        let client = build_client(bundle, removed, provider)?;
        Ok(MeshTls {
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

fn build_server(
    bundle: &NodeBundle,
    removed: &RemovedNodes,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, MeshTlsError> {
    let decoded = decode_certificate(&bundle.tls).map_err(MeshTlsError::Certificate)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(decoded.roots, Arc::clone(&provider))
            .build()?;
    let verifier = DiallingNodeVerifier::new(verifier, removed.clone());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(vec![decoded.own], decoded.key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn build_client(
    bundle: &NodeBundle,
    removed: &RemovedNodes,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, MeshTlsError> {
    let decoded = decode_certificate(&bundle.tls).map_err(MeshTlsError::Certificate)?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(decoded.roots, Arc::clone(&provider))
            .build()?;
    let verifier = DialledNodeVerifier::new(verifier, removed.clone());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![decoded.own], decoded.key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The server name under which a node is dialled: its own.
pub(crate) fn server_name(
    node: &NodeId,
) -> Result<rustls::pki_types::ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    rustls::pki_types::ServerName::try_from(node.as_str().to_owned())
}

#[cfg(test)]
mod tests;

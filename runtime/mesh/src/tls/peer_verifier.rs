//! Which certificates of peers are accepted.
//!
//! Owns the rules beyond those of the TLS library: a certificate names exactly one node, and that was not removed. Must
//! not know sockets.

use std::io;
use std::sync::Arc;

use grid::name::NodeId;
use rustls_webpki::EndEntityCert;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::removed::RemovedNodes;

/// A certificate, signed by the grid's authority, that is still refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerCertificateError {
    /// The certificate is not readable.
    #[error("the peer's certificate cannot be read")]
    Unreadable,
    /// The certificate names no node, or more than one.
    #[error("the peer's certificate does not name exactly one node")]
    Name,
    /// The node was removed from the grid.
    #[error(
        "node {0} was removed from the grid: to bring the machine back, add it under a new name with `dyno grid add`"
    )]
    Removed(NodeId),
}

/// Reads the name of the node in a certificate. Does not check who signed the certificate.
pub fn read_peer_name(certificate: &CertificateDer<'_>) -> Result<NodeId, PeerCertificateError> {
    let parsed =
        EndEntityCert::try_from(certificate).map_err(|_| PeerCertificateError::Unreadable)?;
    let mut names = parsed.valid_dns_names();
    match (names.next(), names.next()) {
        (Some(name), None) => name.parse().map_err(|_| PeerCertificateError::Name),
        _ => Err(PeerCertificateError::Name),
    }
}

/// The reason of a failed handshake, if it was one of this crate's own rules: the TLS library prints it badly.
pub fn find_certificate_error(error: &io::Error) -> Option<PeerCertificateError> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else {
        return None;
    };
    inner.downcast_ref().cloned()
}

/// Checks the name in a certificate whose signature was checked already.
fn check_name(certificate: &CertificateDer<'_>, removed: &RemovedNodes) -> Result<(), Error> {
    let checked = read_peer_name(certificate).and_then(|name| match removed.contains(&name) {
        true => Err(PeerCertificateError::Removed(name)),
        false => Ok(()),
    });
    checked.map_err(|error| {
        let error = OtherError(Arc::new(error));
        Error::InvalidCertificate(CertificateError::Other(error))
    })
}

/// Accepts the certificates of nodes that open a connection.
#[derive(Debug)]
pub(super) struct DiallingNodeVerifier {
    authority: Arc<dyn ClientCertVerifier>,
    removed: RemovedNodes,
}

impl DiallingNodeVerifier {
    pub(super) fn new(authority: Arc<dyn ClientCertVerifier>, removed: RemovedNodes) -> Self {
        DiallingNodeVerifier { authority, removed }
    }
}

impl ClientCertVerifier for DiallingNodeVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .authority
            .verify_client_cert(end_entity, intermediates, now)?;
        check_name(end_entity, &self.removed)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}

/// Accepts the certificate of the node that was dialled.
#[derive(Debug)]
pub(super) struct DialledNodeVerifier {
    authority: Arc<WebPkiServerVerifier>,
    removed: RemovedNodes,
}

impl DialledNodeVerifier {
    pub(super) fn new(authority: Arc<WebPkiServerVerifier>, removed: RemovedNodes) -> Self {
        DialledNodeVerifier { authority, removed }
    }
}

impl ServerCertVerifier for DialledNodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        check_name(end_entity, &self.removed)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}

//! Checks of a node's own certificate.
//!
//! Owns which certificates a node can use, and how a problem is told. Must not know connections.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use grid::name::NodeId;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore};

use super::format::NodeCertificate;

/// Why a certificate is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// The certificates or the key are no PEM, or do not belong together.
    #[error("{what}: copy the bundle again from the machine where it was made")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The certificate was valid until a time that is over.
    #[error(
        "the certificate of node {node} expired at {since}, and this machine's clock shows {now}: set the clock if it is wrong, or write a new bundle on another node with `dyno grid renew {node}`"
    )]
    Expired {
        /// The node.
        node: NodeId,
        /// The end of the certificate, RFC 3339.
        since: String,
        /// The time of the check, RFC 3339.
        now: String,
    },
    /// The certificate is valid from a later time.
    #[error(
        "the certificate of node {node} is valid from {from}, and this machine's clock shows {now}: set the clock"
    )]
    NotYetValid {
        /// The node.
        node: NodeId,
        /// The begin of the certificate, RFC 3339.
        from: String,
        /// The time of the check, RFC 3339.
        now: String,
    },
    /// The certificate is another node's.
    #[error(
        "the certificate is of {presented}, and the bundle is for node {node}: use the bundle as it was made"
    )]
    OtherName {
        /// The node of the bundle.
        node: NodeId,
        /// The names in the certificate.
        presented: String,
    },
    /// Another authority has signed the certificate.
    #[error(
        "the certificate of node {node} was not signed by this grid: use the bundle as it was made"
    )]
    OtherGrid {
        /// The node.
        node: NodeId,
    },
    /// Any other reason, in the words of the TLS library.
    #[error("the certificate of node {node} is refused: {reason}")]
    Refused {
        /// The node.
        node: NodeId,
        /// The reason.
        reason: String,
    },
}

/// The certificates of a bundle, decoded.
pub(crate) struct DecodedCertificate {
    /// The authorities of the grid: one.
    pub(crate) roots: Arc<RootCertStore>,
    /// The node's certificate.
    pub(crate) own: CertificateDer<'static>,
    /// The node's key.
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Decodes the certificates of a bundle. Checks only their form.
pub(crate) fn decode_certificate(
    tls: &NodeCertificate,
) -> Result<DecodedCertificate, CertificateProblem> {
    let damaged = |what| CertificateProblem::Damaged { what };
    let no_authority = "the certificate of the grid's authority is damaged";
    let authority = CertificateDer::from_pem_slice(tls.authority.as_bytes());
    let authority = authority.map_err(|_| damaged(no_authority))?;
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|_| damaged(no_authority))?;
    let own = CertificateDer::from_pem_slice(tls.certificate.as_bytes());
    let own = own.map_err(|_| damaged("the node's certificate is damaged"))?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.expose().as_bytes());
    let key = key.map_err(|_| damaged("the node's key is damaged"))?;
    let roots = Arc::new(roots);
    Ok(DecodedCertificate { roots, own, key })
}

/// Checks that a node can show the certificate: key, authority, dates and name.
pub(super) fn check_certificate(
    tls: &NodeCertificate,
    node: &NodeId,
    now: SystemTime,
) -> Result<(), CertificateProblem> {
    let DecodedCertificate { roots, own, key } = decode_certificate(tls)?;
    let provider = Arc::new(ring::default_provider());
    if let Err(error) = CertifiedKey::from_der(vec![own.clone()], key, &provider) {
        let what = match error {
            Error::InconsistentKeys(_) => "the node's key belongs to another certificate",
            _ => "the node's key or certificate is damaged",
        };
        return Err(CertificateProblem::Damaged { what });
    }
    let refused = |reason: String| CertificateProblem::Refused {
        node: node.clone(),
        reason,
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let verifier = verifier.map_err(|error| refused(error.to_string()))?;
    let name = ServerName::try_from(node.as_str()).map_err(|error| refused(error.to_string()))?;
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH);
    let time = UnixTime::since_unix_epoch(since_epoch.unwrap_or_default());
    let checked = verifier.verify_server_cert(&own, &[], &name, &[], time);
    checked.map(|_| ()).map_err(|error| describe(&error, node))
}

/// Tells what a refusal of the TLS library means for the owner of a bundle.
fn describe(error: &Error, node: &NodeId) -> CertificateProblem {
    let node = node.clone();
    let Error::InvalidCertificate(invalid) = error else {
        let reason = error.to_string();
        return CertificateProblem::Refused { node, reason };
    };
    match invalid {
        CertificateError::ExpiredContext { time, not_after } => CertificateProblem::Expired {
            node,
            since: format_time(*not_after),
            now: format_time(*time),
        },
        CertificateError::NotValidYetContext { time, not_before } => {
            CertificateProblem::NotYetValid {
                node,
                from: format_time(*not_before),
                now: format_time(*time),
            }
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let presented = presented.join(", ");
            CertificateProblem::OtherName { node, presented }
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateProblem::OtherGrid { node }
        }
        other => CertificateProblem::Refused {
            node,
            reason: other.to_string(),
        },
    }
}

/// RFC 3339, in UTC, such as `2026-01-31T12:00:00Z`.
fn format_time(time: UnixTime) -> String {
    // Beyond the year 9999, which the formatter does not write.
    const SECS_MAX: u64 = 253_402_300_799;
    let since_epoch = Duration::from_secs(time.as_secs().min(SECS_MAX));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}

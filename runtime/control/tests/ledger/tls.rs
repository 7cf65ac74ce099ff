//! TLS between a ledger and its engine, with certificates on both sides.

use crate::places::{InJetStream, all, entry};
use control::ledger::{JetStreamOpenError, JetStreamTls, Ledger, Seq};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::servers::{NatsServer, NatsVersion};

/// An authority, and a certificate of it for this machine's address that serves and asks.
struct Certificates(TempDir);

impl Certificates {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut root = CertificateParams::new([]).expect("valid");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().expect("random"));
        let root = root.expect("signs");
        let mut leaf = CertificateParams::new(["127.0.0.1".to_owned()]).expect("valid");
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("random");
        let leaf = leaf.signed_by(&key, &root).expect("signs");
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).expect("writable");
        };
        write("ca.pem", root.pem());
        write("leaf.pem", leaf.pem());
        write("leaf.key", key.serialize_pem());
        Certificates(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn start_server(&self) -> NatsServer {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let lines = format!(
            "tls {{ cert_file: {}, key_file: {}, ca_file: {}, verify: true }}",
            quoted(&self.path("leaf.pem")),
            quoted(&self.path("leaf.key")),
            quoted(&self.path("ca.pem")),
        );
        NatsServer::start_with(NatsVersion::Newest, &lines)
    }

    fn options(&self) -> JetStreamTls {
        JetStreamTls {
            authorities: self.path("ca.pem"),
            client: Some((self.path("leaf.pem"), self.path("leaf.key"))),
        }
    }
}

#[tokio::test]
async fn both_sides_show_certificates() {
    let certificates = Certificates::make();
    let place = InJetStream::with(certificates.start_server());
    let tls = certificates.options();
    let ledger = place.open_with(|options| options.tls = Some(tls)).await;
    let ledger = ledger.expect("opens");
    let at = Ledger::append(&ledger, Seq(0), &entry("me")).await;
    assert_eq!(at.expect("appends"), Seq(1));
    assert_eq!(all(&ledger).await.len(), 1);
}

#[tokio::test]
async fn a_server_of_another_authority_and_a_client_without_a_certificate_are_refused() {
    let certificates = Certificates::make();
    let place = InJetStream::with(certificates.start_server());
    let stranger = Certificates::make();
    let other_authority = JetStreamTls {
        authorities: stranger.path("ca.pem"),
        ..certificates.options()
    };
    let no_certificate = JetStreamTls {
        client: None,
        ..certificates.options()
    };
    let other_client = JetStreamTls {
        authorities: certificates.path("ca.pem"),
        ..stranger.options()
    };
    for tls in [other_authority, no_certificate, other_client] {
        let refused = place.open_with(|options| options.tls = Some(tls)).await;
        let refused = refused.expect_err("not allowed");
        assert!(
            matches!(refused, JetStreamOpenError::Connect { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("certificates"), "{refused}");
    }
}

/// Without TLS the login would cross the network in the clear.
#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let certificates = Certificates::make();
    let place = InJetStream::start(NatsVersion::Newest);
    let tls = certificates.options();
    let refused = place.open_with(|options| options.tls = Some(tls)).await;
    let refused = refused.expect_err("it has none");
    assert!(
        matches!(refused, JetStreamOpenError::Connect { .. }),
        "{refused:?}"
    );
}

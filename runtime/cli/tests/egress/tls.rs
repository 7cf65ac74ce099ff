//! TLS of outgoing requests: the platform's root certificates, and server certificates that must match the name.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::internet_servers::Far;
use crate::server::Server;
use crate::two_networks::{PUBLIC, World};

const BOTH: [&str; 2] = ["connect-to", "connect-to3"];

/// Starts a server for `secure.test` on port 443 of every address. Returns the file with its root certificate.
fn serve_tls(far: &Far, folder: &Path) -> PathBuf {
    let mut root = CertificateParams::new([]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["secure.test".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &root).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth();
    let config = config
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("[::]:443").unwrap();
    let far = far.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (far, config) = (far.clone(), Arc::clone(&config));
            let from = stream.peer_addr().unwrap();
            let session = ServerConnection::new(config).unwrap();
            thread::spawn(move || far.answer_all(StreamOwned::new(session, stream), from));
        }
    });
    let file = folder.join("root.pem");
    std::fs::write(&file, root.pem()).unwrap();
    file
}

#[test]
fn a_certificate_must_be_the_names_and_the_platforms() {
    let Some(world) = World::enter("tls::a_certificate_must_be_the_names_and_the_platforms") else {
        return;
    };
    let root = serve_tls(&world.far, &world.path(""));
    for name in ["secure.test", "wrong.test"] {
        world.dns.say(name, &[PUBLIC]);
    }
    let server = Server::start_with(&world, &[], |command| {
        command
            .env("SSL_CERT_FILE", &root)
            .env_remove("SSL_CERT_DIR");
    });
    for app in BOTH {
        server.deploy(app, &app.replace('-', "_"));
        for _ in 0..2 {
            let said = server.ask(app, "url", "https://secure.test/secure");
            assert_eq!(said, "allowed: status=200 bytes=4\n");
        }
        let refused = ["TlsCertificateError"];
        server.refuses(app, "url", "https://wrong.test/", &refused);
        server.refuses(app, "url", &format!("https://{PUBLIC}/"), &refused);
        // A server without TLS closes the connection.
        server.refuses(
            app,
            "url",
            "https://secure.test:80/",
            &["ConnectionTerminated"],
        );
        server.refuses(
            app,
            "url",
            "https://10.0.0.1/",
            &["DestinationIpProhibited"],
        );
    }
    let asked = world.far.asked("/secure");
    assert_eq!(asked.len(), 4);
    assert!(
        asked.iter().all(|asked| asked.host == "secure.test"),
        "{asked:?}"
    );
    assert_eq!(
        asked[0].from, asked[1].from,
        "the second request uses the first one's connection"
    );
    assert_ne!(asked[0].from, asked[2].from);
    server.stop();

    // Without that root, the certificate is invalid. Unreadable root files are not replaced by other roots.
    for (file, why) in [
        (None, "TlsCertificateError"),
        (Some("/nowhere.pem"), "ConfigurationError"),
    ] {
        let server = Server::start_with(&world, &[], |command| {
            command
                .env_remove("SSL_CERT_FILE")
                .env_remove("SSL_CERT_DIR");
            command.envs(file.map(|file| ("SSL_CERT_FILE", file)));
        });
        server.refuses(BOTH[0], "url", "https://secure.test/", &[why]);
        if file.is_some() {
            server.logs(BOTH[0], &["Outbound TLS is not possible", "/nowhere.pem"]);
        }
        server.stop();
    }
}

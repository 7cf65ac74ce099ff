//! The certificates that outgoing TLS connections trust.
//!
//! Owns where these root certificates come from. Must not know connections.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::rustls::RootCertStore;

/// The root certificates of this machine, read at the first use.
#[derive(Default)]
pub(crate) struct TrustedRoots(OnceCell<Result<Arc<RootCertStore>, String>>);

impl TrustedRoots {
    /// The certificates of the platform's store, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Mozilla's, if there is no
    /// store.
    pub(super) async fn get(&self) -> Result<Arc<RootCertStore>, String> {
        let read = || async {
            let read = tokio::task::spawn_blocking(read_roots).await;
            read.unwrap_or_else(|error| Err(error.to_string()))
        };
        self.0.get_or_init(read).await.clone()
    }
}

fn read_roots() -> Result<Arc<RootCertStore>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    match (added, found.errors.first()) {
        // A configured store that cannot be read is an error. It must not be replaced by a store that trusts other
        // certificates.
        (0, Some(error)) => return Err(error.to_string()),
        (0, None) => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        _ => {}
    }
    Ok(Arc::new(roots))
}

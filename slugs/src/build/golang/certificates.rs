//! Owns the certificates that a Go app trusts: a copy of those of the machine that builds, as a file of the app.
//! Must not know how Go reads them.

use std::path::PathBuf;

use crate::build::output::BuiltFile;
use crate::build::toolbox::error::BuilderError;

/// The file in the app, which a file in Go's package `crypto/x509` names.
const FILE: &str = ".dyno/certificates.pem";
/// The variable by which users choose another file.
const CHOSEN_BY: &str = "SSL_CERT_FILE";
/// Where systems keep the certificates: Debian and Alpine, Fedora, SUSE, and others.
const STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The certificates of this machine, if it has any.
pub(super) fn find_certificates() -> Result<Option<BuiltFile>, BuilderError> {
    let chosen = std::env::var_os(CHOSEN_BY).map(PathBuf::from);
    let stores = STORES.into_iter().map(PathBuf::from);
    let mut files = chosen.into_iter().chain(stores);
    let found = files.find_map(|file| file.canonicalize().ok().filter(|file| file.is_file()));
    found.map(|file| BuiltFile::new(FILE, &file)).transpose()
}

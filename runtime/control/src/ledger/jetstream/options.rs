//! How a ledger reaches its engine.
//!
//! Owns the options. Must not know where they come from.

use std::fmt;
use std::path::PathBuf;

/// How to reach the engine, and what its stream must be like.
#[derive(Clone, Debug)]
pub struct JetStreamOptions {
    /// The URLs of the servers, `nats://HOST:PORT`, the preferred one first. Only these are used, so name all of them.
    pub urls: Vec<String>,
    /// The login, unless the servers need none.
    pub login: Option<JetStreamLogin>,
    /// TLS, which is then required.
    pub tls: Option<JetStreamTls>,
    /// The number of servers that hold the stream: 1, 3 or 5.
    pub replicas: usize,
    /// What to do if the stream does not exist.
    pub missing_stream: MissingStream,
    /// A login of the system account, with which all servers are asked for their version, and whether they sync each
    /// write. Without one, only the version of one server is checked.
    pub system_login: Option<JetStreamLogin>,
}

/// What to do if the stream does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingStream {
    /// Create an empty one.
    Create,
    /// Refuse to open the ledger, because the stream must be there already.
    Refuse,
}

/// A user of the engine. `Debug` does not print the password.
#[derive(Clone, PartialEq, Eq)]
pub struct JetStreamLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for JetStreamLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamLogin")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Certificates for TLS, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JetStreamTls {
    /// The certificates of the authorities that the servers' certificates must be signed by.
    pub authorities: PathBuf,
    /// The client's own certificate and its key, if the servers ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

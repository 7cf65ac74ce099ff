//! Events of a node that an operator should know of.
//!
//! Must not know how they are shown.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use control::ledger::LedgerCause;
use control::logs::LogFilesError;
use control::usage::UsageError;
use slugs::store::StoreError;

use crate::server::LocalTokenSocketError;

/// Something that happened on a node, or cannot be done there at the moment. Apps are served in every case.
#[derive(Debug)]
pub enum NodeEvent {
    /// The sockets are open. Requests are accepted once the start is complete.
    Listening {
        /// The address of apps.
        apps: SocketAddr,
        /// The address of the API, if the node has an API.
        api: Option<SocketAddr>,
    },
    /// The disk is full: log lines are kept in memory only.
    LogsNotKept(LogFilesError),
    /// Log lines cannot be written to the disk for now; readers get them from memory.
    LogWriteFailed(io::Error),
    /// Log lines are written to the disk again.
    LogWriteRecovered,
    /// The ledger refuses changes for now.
    LedgerWriteFailed(LedgerCause),
    /// The ledger takes changes again.
    LedgerWriteRecovered,
    /// Dyno time cannot be written down for now.
    UsageWriteFailed(UsageError),
    /// Slugs that no release needs could not be removed.
    SlugPruneFailed(StoreError),
    /// An add-on could not be destroyed; the text says which, and why.
    AddonTrouble(String),
    /// Users of this machine cannot ask the running server for a token.
    LocalTokenSocketFailed(LocalTokenSocketError),
    /// A user of this machine made a token in the data folder.
    LocalTokenCreated {
        /// The token and its user.
        description: String,
        /// Whether the server was stopped at that time.
        while_stopped: bool,
    },
}

/// Why an observer could not show something.
pub type ObserverError = Box<dyn Error + Send + Sync>;

/// Takes what a node tells. Calls come from the node's tasks and threads; they should not block for long.
pub trait NodeObserver: Send + Sync + 'static {
    /// Takes an event.
    fn on_event(&self, event: NodeEvent);

    /// Shows the secret of the first admin token, which exists nowhere else. `api` is where the API answers.
    ///
    /// # Errors
    /// The secret could not be shown: then the token is not created, and the node does not start.
    fn show_first_token(&self, secret: &str, api: SocketAddr) -> Result<(), ObserverError>;
}

/// An observer that tasks share.
pub(crate) type SharedObserver = Arc<dyn NodeObserver>;

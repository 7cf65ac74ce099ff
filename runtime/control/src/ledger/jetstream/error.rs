//! The errors of opening a ledger in a stream, and of comparing it with a copy.
//!
//! Owns what a user reads and can do about it. Must not know how an error was found.

use super::message::{MESSAGE_BYTES_MAX, STREAM_NAME};
use super::settings::StreamSettingError;
use super::version::JetStreamVersion;
use crate::ledger::error::{LedgerCause, ReadError};
use crate::ledger::sequence::Seq;

/// The reason for which a ledger in a stream cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JetStreamOpenError {
    /// No server can be reached, or it refuses the login.
    #[error("cannot connect to the engine at {urls}: check its address, login and certificates")]
    Connect {
        /// The URLs that were tried.
        urls: String,
        /// The last error.
        #[source]
        source: LedgerCause,
    },
    /// The server is too old.
    #[error(
        "the engine's server {server} is nats-server {found}, which can lose acknowledged changes: update it to {} \
         or newer",
        JetStreamVersion::OLDEST
    )]
    Version {
        /// The server's name.
        server: String,
        /// The server's version, as the server states it.
        found: String,
    },
    /// JetStream is off, for the server or for the login's account.
    #[error(
        "the engine has no JetStream: enable it in the configuration of nats-server (`jetstream {{ … }}`, and \
         `jetstream: enabled` in the login's account)"
    )]
    NoJetStream,
    /// The server's limit for messages is too low.
    #[error(
        "the engine's server {server} takes messages of at most {found} bytes: set `max_payload` to \
         {MESSAGE_BYTES_MAX} or more (the default of nats-server is 1 MB)"
    )]
    SmallMessages {
        /// The server's name.
        server: String,
        /// The limit in bytes.
        found: usize,
    },
    /// A server may lose acknowledged entries when its machine loses power.
    #[error(
        "the engine's server {server} does not sync each write to the disk, so that changes can be lost when its \
         machine loses power: set `sync_interval: always` in its `jetstream` configuration"
    )]
    NotSynced {
        /// The server's name.
        server: String,
    },
    /// The system login cannot ask the servers.
    #[error(
        "cannot ask the engine's servers how they write to the disk: check the login of the system account"
    )]
    SystemLogin(#[source] LedgerCause),
    /// There is no stream yet.
    #[error(
        "the engine has no stream {STREAM_NAME}: `dyno grid init` makes it for a new grid, `dyno grid restore` from \
         a node's copy"
    )]
    NoStream,
    /// The stream exists, but is not what a ledger needs.
    #[error(transparent)]
    Setting(#[from] StreamSettingError),
    /// The stream cannot be created.
    #[error("the engine does not create the stream {STREAM_NAME}")]
    Create(#[source] LedgerCause),
    /// The engine does not answer, for example because most of its servers are down.
    #[error(
        "the engine does not answer for its stream {STREAM_NAME}: are most of its servers up and connected?"
    )]
    Unavailable(#[source] LedgerCause),
}

/// Refuses a server that is too old, or whose version cannot be told.
pub(super) fn check_version(server: String, found: String) -> Result<(), JetStreamOpenError> {
    match found.parse::<JetStreamVersion>() {
        Ok(version) if version >= JetStreamVersion::OLDEST => Ok(()),
        Ok(_) | Err(_) => Err(JetStreamOpenError::Version { server, found }),
    }
}

/// The reason for which a stream must not be used by a node with a copy of the ledger.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CopyCheckError {
    /// The stream has lost entries.
    #[error(
        "the stream {STREAM_NAME} has {stream} entries, but this node's copy has {copy}: the engine has lost some. \
         Changes are stopped; `dyno grid restore` makes a new stream of the longest copy"
    )]
    Shorter {
        /// The last entry of the stream.
        stream: Seq,
        /// The last entry of the copy.
        copy: Seq,
    },
    /// Stream and copy have different entries.
    #[error(
        "entry {at} of the stream {STREAM_NAME} is not the one in this node's copy: they are different ledgers. \
         Changes are stopped; `dyno grid restore` makes a new stream of the longest copy, and a node of another grid \
         needs an empty folder"
    )]
    Differs {
        /// The place.
        at: Seq,
    },
    /// The stream cannot be read.
    #[error("cannot compare the stream {STREAM_NAME} with this node's copy")]
    Read(#[from] ReadError),
}

//! Storage for ledgers under test, and how each kind is reopened.

use control::ledger::{
    EntryId, JetStreamLedger, JetStreamLogin, JetStreamOpenError, JetStreamOptions, Ledger,
    LedgerChange, LedgerEntry, MemoryLedger, MissingStream, Seq, SqliteLedger,
};
use control::seal::SealKey;
use grid::desired::Fact;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::servers::{NATS_USER, NatsServer, NatsVersion, PASSWORD};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Storage of one ledger.
pub(crate) trait Place {
    /// Opens the ledger again.
    fn open(&self) -> Arc<dyn Ledger>;
}

#[derive(Default)]
pub(crate) struct InMemory(MemoryLedger);

impl Place for InMemory {
    fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(self.0.clone())
    }
}

pub(crate) struct InSqlite(TempDir);

impl Default for InSqlite {
    fn default() -> Self {
        InSqlite(tempfile::tempdir().expect("a folder"))
    }
}

impl InSqlite {
    pub(crate) fn database(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("ledger.key")
    }

    pub(crate) fn sqlite(&self) -> SqliteLedger {
        SqliteLedger::open(&self.database(), &self.key()).expect("opens")
    }
}

impl Place for InSqlite {
    fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(self.sqlite())
    }
}

/// One server, and a key.
pub(crate) struct InJetStream {
    pub(crate) server: NatsServer,
    keys: TempDir,
}

impl InJetStream {
    pub(crate) fn start(version: NatsVersion) -> Self {
        InJetStream::with(NatsServer::start(version))
    }

    pub(crate) fn with(server: NatsServer) -> Self {
        let keys = tempfile::tempdir().expect("a folder");
        InJetStream { server, keys }
    }

    pub(crate) fn key(&self) -> SealKey {
        SealKey::load_or_create(&self.keys.path().join("ledger.key")).expect("made")
    }

    pub(crate) fn options(&self) -> JetStreamOptions {
        stream_options(vec![self.server.url()], 1)
    }

    /// Opens the ledger with changed options.
    pub(crate) async fn open_with(
        &self,
        change: impl FnOnce(&mut JetStreamOptions),
    ) -> Result<JetStreamLedger, JetStreamOpenError> {
        let mut options = self.options();
        change(&mut options);
        JetStreamLedger::open(&options, &self.key()).await
    }

    pub(crate) async fn ledger(&self) -> JetStreamLedger {
        self.open_with(|_| {}).await.expect("opens")
    }
}

impl Place for InJetStream {
    fn open(&self) -> Arc<dyn Ledger> {
        block_in_place(|| Handle::current().block_on(async { Arc::new(self.ledger().await) as _ }))
    }
}

/// A server of the oldest version.
pub(crate) struct InOldJetStream(InJetStream);

impl Default for InOldJetStream {
    fn default() -> Self {
        InOldJetStream(InJetStream::start(NatsVersion::Oldest))
    }
}

impl Place for InOldJetStream {
    fn open(&self) -> Arc<dyn Ledger> {
        self.0.open()
    }
}

/// A server of the newest version.
pub(crate) struct InNewJetStream(InJetStream);

impl Default for InNewJetStream {
    fn default() -> Self {
        InNewJetStream(InJetStream::start(NatsVersion::Newest))
    }
}

impl Place for InNewJetStream {
    fn open(&self) -> Arc<dyn Ledger> {
        self.0.open()
    }
}

/// Options for a ledger at these servers, whose stream is created if it is absent.
pub(crate) fn stream_options(urls: Vec<String>, replicas: usize) -> JetStreamOptions {
    JetStreamOptions {
        urls,
        login: Some(stream_login(NATS_USER)),
        tls: None,
        replicas,
        missing_stream: MissingStream::Create,
        system_login: None,
    }
}

pub(crate) fn stream_login(user: &str) -> JetStreamLogin {
    JetStreamLogin {
        user: user.to_owned(),
        password: PASSWORD.to_owned(),
    }
}

/// An entry by the actor `by`, with one change.
pub(crate) fn entry(by: &str) -> LedgerEntry {
    LedgerEntry {
        id: EntryId::random(),
        at_ms: 1_700_000_000_000,
        by: by.to_owned(),
        key: None,
        changes: vec![LedgerChange::Fact(Fact::MaintenanceSet {
            app: "hello".parse().expect("valid"),
            on: true,
        })],
    }
}

/// All entries of a ledger.
pub(crate) async fn all(ledger: &dyn Ledger) -> Vec<(Seq, LedgerEntry)> {
    ledger.read(Seq::START, usize::MAX).await.expect("reads")
}

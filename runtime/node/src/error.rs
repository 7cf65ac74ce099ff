//! Why a node does not start, and why it ends by itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use control::ledger::LedgerOpenError;
use control::logs::LogFilesError;
use control::usage::UsageError;
use dyno::compile::CompileError;
use slugs::store::StoreError;
use tokio::task::JoinError;

use crate::data_folder::DataFolderError;
use crate::observer::ObserverError;

/// The purpose of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketPurpose {
    /// Apps answer there.
    Apps,
    /// The API answers there.
    Api,
}

/// Why a node did not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The apps' logs cannot be kept.
    #[error("the apps' logs cannot be kept")]
    LogFolder(#[source] LogFilesError),
    /// The log thread does not start.
    #[error("the log thread does not start")]
    LogThread(#[source] io::Error),
    /// A socket cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// The purpose of the socket.
        purpose: SocketPurpose,
        /// The address of the socket.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A socket that was passed on cannot be used.
    #[error("a socket that was passed on cannot be used")]
    PassedSocket(#[source] io::Error),
    /// The router does not accept connections.
    #[error("the port cannot be used")]
    Router(#[source] io::Error),
    /// The ledger cannot be opened.
    #[error("cannot open the ledger")]
    Ledger(#[from] LedgerOpenError),
    /// The usage records cannot be opened.
    #[error("cannot open the usage records")]
    UsageOpen(#[source] UsageError),
    /// The usage records cannot be read.
    #[error("cannot read the usage records")]
    UsageRead(#[source] UsageError),
    /// The slug store cannot be opened.
    #[error(transparent)]
    Slugs(#[from] StoreError),
    /// The reconciler does not start.
    #[error("the reconciler does not start")]
    Reconciler(#[from] control::ReconcilerStartError),
    /// The reconciler ended during the start.
    #[error(transparent)]
    ReconcilerGone(#[from] control::ReconcilerEnded),
    /// The engine does not start; the text says why.
    #[error("the engine does not start: {0}")]
    Engine(String),
    /// Components cannot be compiled.
    #[error(transparent)]
    Compiler(#[from] CompileError),
    /// The folder of the dynos' files cannot be used.
    #[error("cannot use {}", folder.display())]
    DynoFolder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program's file cannot be read.
    #[error("cannot read {}", path.display())]
    ProgramFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// The first admin token could not be shown.
    #[error("cannot show the first admin token")]
    ShowToken(#[source] ObserverError),
    /// The first admin token could not be written down.
    #[error("cannot write down the first admin token")]
    WriteToken(#[source] control::ControlError),
}

/// Why a node ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeFailure {
    /// The reconciler stopped without an error.
    #[error("the reconciler has ended")]
    Ended,
    /// The reconciler stopped: another one has taken over its ledger.
    #[error("the reconciler has ended")]
    Reconciler(#[source] control::ReconcilerRunError),
    /// The reconciler panicked.
    #[error("the reconciler has ended")]
    Panic(#[source] JoinError),
}

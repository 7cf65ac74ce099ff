//! One-off dynos on their way from whoever wants one to whoever has a node.
//!
//! Owns what is said about one, and the form in which an attached one's output travels. Must not know how it is run.

pub mod frame;

use futures_util::future::BoxFuture;
use grid::desired::Release;
use grid::name::{AppName, DynoKey, NodeId, ProcessType, Version};
use grid::protocol::ProcessExit;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// What a one-off dyno runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OneOffProgram {
    /// A process type of the release.
    Type {
        /// Which.
        process: ProcessType,
        /// Arguments after those that it has.
        args: Vec<String>,
    },
    /// A component of the slug.
    Component {
        /// What was typed for it: its path, or a command word such as `python`.
        name: String,
        /// Its path there.
        path: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

/// By what it is called in a log: without arguments, of which one may be a secret.
impl fmt::Display for OneOffProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OneOffProgram::Type { process, .. } => fmt::Display::fmt(process, f),
            OneOffProgram::Component { name, .. } => f.write_str(name),
        }
    }
}

/// What a one-off dyno reads and where its output goes, if that is not the app's log.
pub struct OneOffPipes {
    /// What it reads.
    pub stdin: Box<dyn AsyncRead + Send + Unpin>,
    /// Where its output goes; it waits while there is no room.
    pub stdout: Box<dyn AsyncWrite + Send + Unpin>,
    /// Where its errors go.
    pub stderr: Box<dyn AsyncWrite + Send + Unpin>,
    /// Ready when nobody is there any more who wants it: it is to be ended then.
    pub gone: BoxFuture<'static, ()>,
    /// Who is told how it ended.
    pub ended: oneshot::Sender<ProcessExit>,
}

/// What somebody wants to be run once.
pub struct OneOffRequest {
    /// The app.
    pub app: AppName,
    /// What.
    pub program: OneOffProgram,
    /// Environment variables over the app's config vars.
    pub env: BTreeMap<String, String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// None: it reads nothing, and its output goes to the app's log.
    pub pipes: Option<OneOffPipes>,
    /// Who asks.
    pub by: String,
}

impl fmt::Debug for OneOffRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("app", &self.app)
            .field("memory_bytes", &self.memory_bytes)
            .finish_non_exhaustive()
    }
}

/// A one-off dyno that is to start now. Whoever takes it reports `Up`, and `Exited` or `Down` at its end.
pub struct OneOffStart {
    /// Where.
    pub node: NodeId,
    /// The dyno.
    pub dyno: DynoKey,
    /// Whose files, config vars and limits it has.
    pub release: Arc<Release>,
    /// What was asked for.
    pub wanted: OneOffRequest,
}

impl fmt::Debug for OneOffStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneOff")
            .field("node", &self.node)
            .field("dyno", &self.dyno)
            .finish_non_exhaustive()
    }
}

/// A one-off dyno that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningOneOff {
    /// The dyno.
    pub dyno: DynoKey,
    /// The release that it runs.
    pub version: Version,
    /// Where.
    pub node: NodeId,
}

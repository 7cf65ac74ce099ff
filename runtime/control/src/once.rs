//! Requests for one-off dynos, and their messages to the node.
//!
//! Owns the fields of the messages, and the format of an attached dyno's output. Must not know how a one-off dyno
//! is run.

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

/// The program that a one-off dyno runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OneOffProgram {
    /// A process type of the release.
    Type {
        /// The process type.
        process: ProcessType,
        /// Arguments that are appended to those of the process type.
        args: Vec<String>,
    },
    /// A component of the slug.
    Component {
        /// The name that the user typed: the path, or a command word such as `python`.
        name: String,
        /// The path in the slug.
        path: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

/// The name for logs. Without arguments, which may contain secrets.
impl fmt::Display for OneOffProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OneOffProgram::Type { process, .. } => fmt::Display::fmt(process, f),
            OneOffProgram::Component { name, .. } => f.write_str(name),
        }
    }
}

/// Input and output of an attached one-off dyno.
pub struct OneOffPipes {
    /// Standard input.
    pub stdin: Box<dyn AsyncRead + Send + Unpin>,
    /// Standard output. The program waits while the writer is not ready.
    pub stdout: Box<dyn AsyncWrite + Send + Unpin>,
    /// Standard error.
    pub stderr: Box<dyn AsyncWrite + Send + Unpin>,
    /// Ready when the client has disconnected: the dyno must be stopped then.
    pub gone: BoxFuture<'static, ()>,
    /// Gets the exit status.
    pub ended: oneshot::Sender<ProcessExit>,
}

/// A request for a one-off dyno.
pub struct OneOffRequest {
    /// The app.
    pub app: AppName,
    /// The program to run.
    pub program: OneOffProgram,
    /// Environment variables, which override the app's config vars.
    pub env: BTreeMap<String, String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Input and output of an attached dyno. `None` for a detached dyno: no input, and output goes to the app's
    /// log.
    pub pipes: Option<OneOffPipes>,
    /// The name of the actor.
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

/// An order to the executor to start a one-off dyno. The executor reports `Up`, and `Exited` or `Down` at the end.
pub struct OneOffStart {
    /// The node that runs the dyno.
    pub node: NodeId,
    /// The dyno.
    pub dyno: DynoKey,
    /// The release whose files, config vars and limits the dyno uses.
    pub release: Arc<Release>,
    /// The request.
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

/// A one-off dyno that is starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningOneOff {
    /// The dyno.
    pub dyno: DynoKey,
    /// The release that it runs.
    pub version: Version,
    /// The node that runs the dyno.
    pub node: NodeId,
}

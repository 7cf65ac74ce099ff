//! One-off processes: a program that runs once, for whoever waits for its exit code.
//!
//! Owns what may be asked for and how it ends. Must not know formations, nor where the pipes lead.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grid::desired::Release;
use grid::name::{AppName, DynoKey, ProcessType};
use tokio::task::JoinHandle;

use crate::fleet::dyno::crash;
use crate::fleet::node::Shared;
use crate::guest::filesystem::folders::Folder;
use crate::guest::stdio::pipes::Stdio;
use crate::life::Life;
use crate::program::process::{Setup, boot};
use crate::release::Ready;

/// A process that runs once; it is not restarted.
pub struct OneOff {
    /// Its name in the log: `run.1`, `release.1`.
    pub key: DynoKey,
    /// Whose files, config vars and limits it has.
    pub release: Arc<Release>,
    /// The app.
    pub app: AppName,
    /// What it runs.
    pub command: Command,
    /// Over the release's config vars.
    pub env: BTreeMap<String, String>,
    /// Whether it is told of the platform beside these.
    pub platform_vars: PlatformVars,
    /// What it reads and where it prints.
    pub stdio: Stdio,
    /// Folders of this machine that it may read and write: only where the developer is the operator. With any, its
    /// files are not counted, since what is in there is not the platform's to count.
    pub folders: Vec<Folder>,
}

/// Whether a program has the variables that the platform adds, such as `HOME`, `APP_NAME` and `DYNO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformVars {
    /// It has: it is part of an app.
    Added,
    /// It has not, as a file that any other tool would run just so.
    LeftOut,
}

/// What a one-off runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A process type of the release.
    Type {
        /// Which.
        process: ProcessType,
        /// Arguments after those of the slug, as they are.
        args: Vec<String>,
    },
    /// A component, or a core module, by its path in the slug.
    Component {
        /// The path, relative and without `..`.
        path: PathBuf,
        /// Its arguments, as they are.
        args: Vec<String>,
    },
}

/// How a one-off ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// It trapped.
    Trap {
        /// What happened, for the app's owner to read.
        reason: String,
    },
    /// It could not be started.
    Boot {
        /// Why not, for the app's owner to read.
        reason: String,
    },
    /// By [`Running::kill`], or with the platform.
    Killed,
}

/// A one-off that runs. Ready when it has ended and all that it printed has left. Dropping it ends it.
#[derive(Debug)]
pub struct Running(JoinHandle<Exit>);

impl Running {
    /// Begins a process on the runtime of whoever calls.
    pub(crate) fn begin(
        node: Arc<Shared>,
        ready: Arc<Ready>,
        life: Arc<Life>,
        setup: Setup,
    ) -> Running {
        Running(tokio::spawn(async move {
            let process = match boot(&node, ready, Arc::clone(&life), setup).await {
                Ok(process) => process,
                Err(error) => {
                    let reason = crash(&error, &life.voice).reason;
                    return Exit::Boot { reason };
                }
            };
            let judge = |ended| match ended {
                Ok(code) => Exit::Code(code),
                Err(error) => {
                    let reason = crash(&error, &life.voice).reason;
                    Exit::Trap { reason }
                }
            };
            process.run(&node.engines, judge).await
        }))
    }

    /// Ends the guest now, whatever it does. What it printed and nobody has read is lost.
    pub fn kill(&self) {
        self.0.abort();
    }
}

impl Future for Running {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        Pin::new(&mut self.0).poll(cx).map(|ended| match ended {
            Ok(exit) => exit,
            Err(error) if error.is_panic() => Exit::Trap {
                reason: "the platform failed while it ran".to_owned(),
            },
            Err(_) => Exit::Killed,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

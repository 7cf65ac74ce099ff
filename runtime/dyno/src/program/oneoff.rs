//! One-off processes: a program that runs once, for whoever waits for its exit code.
//!
//! Owns what may be asked for and how it ends. Must not know formations, nor where the pipes lead.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grid::desired::Release;
use grid::name::{AppName, DynoKey};
use tokio::task::JoinHandle;

use crate::crash::crash;
use crate::guest::filesystem::folders::MountedFolder;
use crate::guest::stdio::pipes::ProgramStdio;
use crate::instance::store::BootContext;
use crate::life::DynoLife;
use crate::program::process::{ProgramSetup, boot};
use crate::release::PreparedProcess;
use crate::release::command::{OneOffCommand, PlatformVars};

/// A process that runs once; it is not restarted.
pub struct OneOffProgram {
    /// Its name in the log: `run.1`, `release.1`.
    pub key: DynoKey,
    /// Whose files, config vars and limits it has.
    pub release: Arc<Release>,
    /// The app.
    pub app: AppName,
    /// What it runs.
    pub command: OneOffCommand,
    /// Over the release's config vars.
    pub env: BTreeMap<String, String>,
    /// Whether it is told of the platform beside these.
    pub platform_vars: PlatformVars,
    /// What it reads and where it prints.
    pub stdio: ProgramStdio,
    /// Folders of this machine that it may read and write: only where the developer is the operator. With any, its
    /// files are not counted, since what is in there is not the platform's to count.
    pub folders: Vec<MountedFolder>,
}

/// How a one-off ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOffExit {
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
    /// By [`RunningOneOff::kill`], or with the platform.
    Killed,
}

/// A one-off that runs. Ready when it has ended and all that it printed has left. Dropping it ends it.
#[derive(Debug)]
pub struct RunningOneOff(JoinHandle<OneOffExit>);

impl RunningOneOff {
    /// Begins a process on the runtime of whoever calls.
    pub(crate) fn begin(
        context: Arc<BootContext>,
        ready: Arc<PreparedProcess>,
        life: Arc<DynoLife>,
        setup: ProgramSetup,
    ) -> RunningOneOff {
        RunningOneOff(tokio::spawn(async move {
            let process = match boot(&context, ready, Arc::clone(&life), setup).await {
                Ok(process) => process,
                Err(error) => {
                    let reason = crash(&error, &life.voice).reason;
                    return OneOffExit::Boot { reason };
                }
            };
            let judge = |ended| match ended {
                Ok(code) => OneOffExit::Code(code),
                Err(error) => {
                    let reason = crash(&error, &life.voice).reason;
                    OneOffExit::Trap { reason }
                }
            };
            process.run(&context.engines, judge).await
        }))
    }

    /// Ends the guest now, whatever it does. What it printed and nobody has read is lost.
    pub fn kill(&self) {
        self.0.abort();
    }
}

impl Future for RunningOneOff {
    type Output = OneOffExit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OneOffExit> {
        Pin::new(&mut self.0).poll(cx).map(|ended| match ended {
            Ok(exit) => exit,
            Err(error) if error.is_panic() => OneOffExit::Trap {
                reason: "the platform failed while it ran".to_owned(),
            },
            Err(_) => OneOffExit::Killed,
        })
    }
}

impl Drop for RunningOneOff {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! One-offs: programs that run once, for a caller that waits for the exit code.
//!
//! Must not know formations, nor where the output goes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grid::desired::Release;
use grid::name::{AppName, DynoKey};
use tokio::task::JoinHandle;

use crate::crash::describe_failure;
use crate::guest::filesystem::folders::MountedFolder;
use crate::guest::stdio::pipes::ProgramStdio;
use crate::instance::store::BootContext;
use crate::life::DynoLife;
use crate::program::process::{ProgramSetup, boot_program};
use crate::release::PreparedProcess;
use crate::release::command::{OneOffCommand, PlatformVars};

/// A program to run once. It is not restarted.
pub struct OneOffGuest {
    /// The name in the log: `run.1`, `release.1`.
    pub key: DynoKey,
    /// The release whose files, config vars and limits it has.
    pub release: Arc<Release>,
    /// The app.
    pub app: AppName,
    /// The command to run.
    pub command: OneOffCommand,
    /// Variables that override the release's config vars.
    pub env: BTreeMap<String, String>,
    /// Whether the program also gets the platform's variables.
    pub platform_vars: PlatformVars,
    /// Its stdin, stdout and stderr.
    pub stdio: ProgramStdio,
    /// Folders of this machine that it may read and write. Only for a developer who is also the operator. With such
    /// folders, its files are not charged to the disk quota, since they do not belong to the platform.
    pub folders: Vec<MountedFolder>,
}

/// How a one-off ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOffExit {
    /// The program exited with this code.
    Code(u8),
    /// The program trapped.
    Trap {
        /// The reason, for the app's owner.
        reason: String,
    },
    /// The program could not be started.
    Boot {
        /// The reason, for the app's owner.
        reason: String,
    },
    /// The one-off was ended by [`RunningOneOffGuest::kill`], or together with the platform.
    Killed,
}

/// A running one-off. Ready when it has ended and its output was delivered. Dropping this ends the one-off.
#[derive(Debug)]
pub struct RunningOneOffGuest(JoinHandle<OneOffExit>);

impl RunningOneOffGuest {
    /// Starts a program on the runtime of the caller.
    pub(crate) fn start(
        context: Arc<BootContext>,
        ready: Arc<PreparedProcess>,
        life: Arc<DynoLife>,
        setup: ProgramSetup,
    ) -> RunningOneOffGuest {
        RunningOneOffGuest(tokio::spawn(async move {
            let process = match boot_program(&context, ready, Arc::clone(&life), setup).await {
                Ok(process) => process,
                Err(error) => {
                    let reason = describe_failure(&error, &life.dyno_log).reason;
                    return OneOffExit::Boot { reason };
                }
            };
            let judge = |ended| match ended {
                Ok(code) => OneOffExit::Code(code),
                Err(error) => {
                    let reason = describe_failure(&error, &life.dyno_log).reason;
                    OneOffExit::Trap { reason }
                }
            };
            process.run(&context.engines, judge).await
        }))
    }

    /// Ends the guest now, whatever it does. Output that nobody has read is lost.
    pub fn kill(&self) {
        self.0.abort();
    }
}

impl Future for RunningOneOffGuest {
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

impl Drop for RunningOneOffGuest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

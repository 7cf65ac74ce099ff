//! Owns what a build may use: the folder for tools, and the way to stop a running tool from another thread.
//! Must not know what the tools are.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};

/// The tools of one build: how the running tool can be stopped, and the folder in which tools are installed. Clones belong to
/// the same build.
#[derive(Debug, Clone)]
pub struct Tools {
    state: Arc<Mutex<ToolState>>,
    cache: Arc<Path>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToolState {
    /// Tools belong to this process's group: a signal from the terminal ends them too.
    Attached,
    /// Tools have groups of their own; none runs now.
    Idle,
    /// The process group of the running tool.
    Running(Pid),
    /// The build was stopped: no tool is started any more.
    Stopped,
}

impl Tools {
    /// Tools that a signal from the terminal ends together with this process. `cache` is the folder in which tools of
    /// languages are installed when they are first needed; it may be missing.
    pub fn attached(cache: impl Into<PathBuf>) -> Self {
        Self::new(ToolState::Attached, cache.into())
    }

    /// Tools that [`Tools::stop`] ends, with all processes that they started.
    pub fn stoppable(cache: impl Into<PathBuf>) -> Self {
        Self::new(ToolState::Idle, cache.into())
    }

    fn new(state: ToolState, cache: PathBuf) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            cache: cache.into(),
        }
    }

    /// Asks the running tool to end (SIGTERM), and lets no other tool start. The build fails then.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        match *state {
            ToolState::Attached => return,
            // Fails only for a tool that has just ended by itself.
            ToolState::Running(group) => drop(kill_process_group(group, Signal::TERM)),
            ToolState::Idle | ToolState::Stopped => {}
        }
        *state = ToolState::Stopped;
    }

    /// The folder in which tools are installed and outputs are kept.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Whether [`Tools::stop`] was called.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.state.lock() == ToolState::Stopped
    }

    /// Starts a tool. Fails with [`io::ErrorKind::Interrupted`] after [`Tools::stop`].
    pub(crate) fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let mut state = self.state.lock();
        match *state {
            ToolState::Attached => return command.spawn(),
            ToolState::Stopped => return Err(io::ErrorKind::Interrupted.into()),
            ToolState::Idle | ToolState::Running(_) => {}
        }
        let child = command.process_group(0).spawn()?;
        *state = ToolState::Running(Pid::from_child(&child));
        Ok(child)
    }

    /// Notes that the running tool has ended.
    pub(crate) fn clear_running(&self) {
        let mut state = self.state.lock();
        if matches!(*state, ToolState::Running(_)) {
            *state = ToolState::Idle;
        }
    }
}

//! Owns what a build may use: the tools of languages in the cache, and the ending of those that run from another
//! thread. Must not know what they are.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// The tool that a build runs, if it runs one, and the folder where languages keep theirs. Clones are of the same build.
#[derive(Debug, Clone)]
pub struct Tools {
    state: Arc<Mutex<State>>,
    cache: Arc<Path>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Tools belong to this process's group: what ends it by the terminal ends them.
    Attached,
    /// Tools have groups of their own; none runs now.
    Idle,
    /// The group of the one that runs.
    Running(Pid),
    /// No more of them.
    Stopped,
}

impl Tools {
    /// Tools that end as this process does, when the terminal says so. `cache` is where languages' own tools are
    /// installed when they are first needed; it need not be there yet.
    pub fn attached(cache: impl Into<PathBuf>) -> Self {
        Self::new(State::Attached, cache.into())
    }

    /// Tools that [`Tools::stop`] ends, with all that they started.
    pub fn stoppable(cache: impl Into<PathBuf>) -> Self {
        Self::new(State::Idle, cache.into())
    }

    fn new(state: State, cache: PathBuf) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            cache: cache.into(),
        }
    }

    /// Asks the running tool to end (SIGTERM), and starts no other one. The build fails then.
    pub fn stop(&self) {
        let mut state = self.lock();
        match *state {
            State::Attached => return,
            // One that has just ended by itself is what was wanted.
            State::Running(group) => drop(kill_process_group(group, Signal::TERM)),
            State::Idle | State::Stopped => {}
        }
        *state = State::Stopped;
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Whether the build is to go no further.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.lock() == State::Stopped
    }

    pub(crate) fn spawn(&self, mut command: Command) -> io::Result<Child> {
        let mut state = self.lock();
        match *state {
            State::Attached => return command.spawn(),
            State::Stopped => return Err(io::ErrorKind::Interrupted.into()),
            State::Idle | State::Running(_) => {}
        }
        let child = command.process_group(0).spawn()?;
        *state = State::Running(Pid::from_child(&child));
        Ok(child)
    }

    /// The running tool has ended.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        if matches!(*state, State::Running(_)) {
            *state = State::Idle;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

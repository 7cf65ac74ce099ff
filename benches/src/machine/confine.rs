//! How a server is held to the cores and threads that every server gets, and to the life of this
//! program.
//!
//! A server is started by this program, called with a hidden subcommand, which takes the settings and
//! then becomes the server: so they hold from its first instruction on, for all its threads and
//! children.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::args::ConfinedCommandArgs;

/// The name of the hidden subcommand.
const SUBCOMMAND: &str = "__confined";
/// The variable from which tokio's runtimes take the number of worker threads: dyno's, hyper's and wasmtime's.
const TOKIO_THREADS: &str = "TOKIO_WORKER_THREADS";

/// The processor time that a server may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuBudget {
    /// Cores that its processes may run on, all together.
    pub(crate) cores: u32,
    /// Threads that serve, where a server lets that be set.
    pub(crate) threads: u32,
}

/// The command, held to the budget.
pub(crate) fn confined(command: &Command, budget: CpuBudget) -> Result<Command> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut confined = Command::new(program);
    confined
        .arg(SUBCOMMAND)
        .args(["--cores", &budget.cores.to_string(), "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .env(TOKIO_THREADS, budget.threads.to_string());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => confined.env(name, value),
            None => confined.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        confined.current_dir(folder);
    }
    Ok(confined)
}

/// The words of a command, without those that [`confined`] put before it. A number of threads that
/// is not that of the cores comes first, as it would be typed.
pub(crate) fn words(command: &Command) -> Vec<OsString> {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    let all: Vec<OsString> = all.map(OsString::from).collect();
    let wrapped = all.get(1).is_some_and(|word| word == SUBCOMMAND);
    let own = all.iter().position(|word| word == "--");
    let Some(end) = own.filter(|_| wrapped) else {
        return all;
    };
    let mut envs = command.get_envs();
    let threads = envs.find_map(|(name, value)| value.filter(|_| name == TOKIO_THREADS));
    let threads = threads.filter(|threads| all[..end].last().is_some_and(|cores| cores != threads));
    let threads = threads.map(|threads| {
        let mut word = OsString::from(format!("{TOKIO_THREADS}="));
        word.push(threads);
        word
    });
    threads
        .into_iter()
        .chain(all[end + 1..].iter().cloned())
        .collect()
}

/// Becomes the program; returns only if that fails.
pub(crate) fn become_confined(confined: &ConfinedCommandArgs) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM)).context("cannot be tied to the harness")?;
    let allowed = sched_getaffinity(None).context("cannot tell which cores are allowed")?;
    let mut some = CpuSet::new();
    let cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    cores.take(confined.cores).for_each(|core| some.set(core));
    sched_setaffinity(None, &some).context("cannot be held to some cores")?;
    let Some((program, arguments)) = confined.command.split_first() else {
        bail!("there is no program to become");
    };
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_command_keeps_its_arguments_and_environment() {
        let mut command = Command::new("server");
        command.args(["--", "-p", "80"]).env("A", "b");
        let budget = CpuBudget {
            cores: 2,
            threads: 2,
        };
        let same = confined(&command, budget).expect("a command");
        assert_eq!(words(&same), ["server", "--", "-p", "80"]);
        assert_eq!(words(&command), words(&same));
        let names: Vec<_> = same.get_envs().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", TOKIO_THREADS]);
        let one = CpuBudget {
            threads: 1,
            ..budget
        };
        let one = words(&confined(&command, one).expect("a command"));
        assert_eq!(one[..2], ["TOKIO_WORKER_THREADS=1", "server"]);
    }
}

//! A server process under measurement: started, asked for what it used, stopped.
//!
//! Owns the child; a server that is dropped is ended. Must not know what kind of server it is.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::client::request;
use crate::load::closed_loop::ask;
use crate::machine::confine;
use crate::machine::process::{self, CpuTime, ProcessResources};

/// How long a server has to answer its first request; the first start compiles.
const START_MAX: Duration = Duration::from_secs(120);
/// Time between two looks at a server that starts.
const START_POLL: Duration = Duration::from_millis(5);
/// How long a server has to end after Ctrl-C.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Settings of a developer's shell that no server is measured with.
const BACKTRACES: [&str; 2] = ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];
/// Bytes read at a time of a log that nobody looks at.
const DRAIN_BYTES: usize = 64 * 1024;

/// The destination of a server's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogTarget {
    /// To `/dev/null`.
    Null,
    /// Through a pipe that is read to its end, as a log collector would.
    Drained,
    /// The same, and lines that contain the text are kept.
    Kept(&'static str),
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct ChildServer {
    child: Child,
    /// Servers that stand behind this one and count as its parts.
    behind: Vec<ChildServer>,
    lines: Arc<LogLines>,
    pub(crate) address: SocketAddr,
    /// The command line, with the names of programs and files but without their folders.
    pub(crate) command: String,
    /// The version that the program prints; may be empty.
    version: String,
}

/// How a server is started, apart from its command.
#[derive(Debug)]
pub(crate) struct ChildServerStart<'a> {
    /// The port on which the command will listen.
    pub(crate) port: u16,
    pub(crate) log: LogTarget,
    /// The file for its standard error.
    pub(crate) errors: &'a Path,
    /// The URL that answers 200 when the server is up.
    pub(crate) probe: &'a str,
}

/// A port of this machine that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?.port())
}

impl ChildServer {
    /// Starts a command and waits until it is up. If it does not come up, the error has its own words.
    pub(crate) fn start(mut command: Command, start: &ChildServerStart<'_>) -> Result<ChildServer> {
        let shown = shown(&command);
        let sink = std::fs::File::create(start.errors)
            .with_context(|| format!("cannot write {}", start.errors.display()))?;
        command.stdin(Stdio::null()).stderr(sink);
        // Programs in Rust collect a backtrace for each error then, also for those that guests expect.
        for setting in BACKTRACES {
            command.env_remove(setting);
        }
        command.stdout(match start.log {
            LogTarget::Null => Stdio::null(),
            LogTarget::Drained | LogTarget::Kept(_) => Stdio::piped(),
        });
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let lines = Arc::<LogLines>::default();
        if let Some(output) = child.stdout.take() {
            let (lines, log) = (Arc::clone(&lines), start.log);
            std::thread::spawn(move || lines.read(output, log));
        }
        let mut server = ChildServer {
            child,
            behind: Vec::new(),
            lines,
            address: (Ipv4Addr::LOCALHOST, start.port).into(),
            command: shown,
            version: String::new(),
        };
        server.wait_until_up(start)?;
        Ok(server)
    }

    fn wait_until_up(&mut self, start: &ChildServerStart<'_>) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(start.errors).unwrap_or_default();
                bail!("`{}` ended with {status}:\n{}", self.command, said.trim());
            }
            // An API answers at its own host names only; apps and peers at any.
            let probe = request("GET", "localhost", start.probe, &[], b"");
            let answer = ask(self.address, &probe, "");
            if answer.as_ref().is_ok_and(|page| page.status == 200) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let status = answer.map(|page| page.status);
                bail!("`{}` does not come up: {status:?}", self.command);
            }
            std::thread::sleep(START_POLL);
        }
    }

    /// This server with others behind it, which are counted as parts of it and end with it.
    pub(crate) fn with(mut self, behind: Vec<ChildServer>) -> ChildServer {
        self.behind = behind;
        self
    }

    /// The same, with the version of its program: the first line that the program says of it.
    pub(crate) fn versioned(mut self, program: &Path, flag: &str) -> ChildServer {
        let said = Command::new(program)
            .arg(flag)
            .stdin(Stdio::null())
            .output();
        if let Ok(said) = said {
            // nginx says it on its standard error.
            let all = [said.stdout, said.stderr].concat();
            let text = String::from_utf8_lossy(&all);
            text.lines()
                .next()
                .unwrap_or_default()
                .clone_into(&mut self.version);
        }
        self
    }

    /// All commands that make it up, as they would be typed, and the versions of their programs.
    pub(crate) fn commands(&self) -> Vec<String> {
        let own = match &*self.version {
            "" => self.command.clone(),
            version => format!("{}  # {version}", self.command),
        };
        let parts = self.behind.iter().flat_map(ChildServer::commands);
        std::iter::once(own).chain(parts).collect()
    }

    /// CPU time of it, its parts, and all their descendants so far.
    pub(crate) fn cpu(&self) -> Result<CpuTime> {
        let mut cpu = process::cpu_of_tree(self.child.id())?;
        for part in &self.behind {
            cpu = cpu.and(part.cpu()?);
        }
        Ok(cpu)
    }

    /// The resources of the server, its parts, and all their descendants.
    pub(crate) fn holdings_in_all(&self) -> Result<ProcessResources> {
        let mut held = process::holdings_of_tree(self.child.id())?;
        for part in &self.behind {
            held = held.and(part.holdings_in_all()?);
        }
        Ok(held)
    }

    /// The resources of the server's first process.
    pub(crate) fn holdings(&self) -> Result<ProcessResources> {
        process::holdings(self.child.id())
    }

    /// The lines kept so far, once `enough` of them says so.
    pub(crate) fn lines_when(
        &self,
        patience: Duration,
        enough: impl Fn(&[String]) -> bool,
    ) -> Result<Vec<String>> {
        let deadline = Instant::now() + patience;
        let mut kept = self.lines.lock();
        while !enough(&kept) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "`{}` did not log what was awaited: {} lines",
                    self.command,
                    kept.len()
                );
            }
            let waited = self.lines.more.wait_timeout(kept, left);
            kept = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(kept.clone())
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(id), Ok(None)) = (id, self.child.try_wait()) {
            let _ = kill_process(id, Signal::INT);
        }
        let deadline = Instant::now() + STOP_MAX;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(START_POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines that were kept. As many as the scenario's servers write of the wanted kind.
#[derive(Debug, Default)]
struct LogLines {
    kept: Mutex<Vec<String>>,
    more: Condvar,
}

impl LogLines {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, mut output: ChildStdout, log: LogTarget) {
        let LogTarget::Kept(text) = log else {
            let mut buffer = vec![0; DRAIN_BYTES];
            while output.read(&mut buffer).is_ok_and(|length| length > 0) {}
            return;
        };
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(text) {
                self.lock().push(line);
                self.more.notify_all();
            }
        }
    }
}

/// A command without the folders of this machine.
fn shown(command: &Command) -> String {
    let names = confine::words(command).into_iter().map(|word| {
        let path = Path::new(&word);
        let name = path.file_name().filter(|_| path.is_absolute());
        name.unwrap_or(&word).to_string_lossy().into_owned()
    });
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_without_folders() {
        let mut command = Command::new("/somewhere/bin/dyno");
        command.args(["local", "/else/where/hello.slug", "web=4", "-p", "80"]);
        assert_eq!(shown(&command), "dyno local hello.slug web=4 -p 80");
    }

    #[test]
    fn the_error_for_an_exited_server_has_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck >&2; exit 3"]);
        let errors = folder.path().join("errors");
        let port = free_port().expect("a port");
        let start = ChildServerStart {
            port,
            log: LogTarget::Null,
            errors: &errors,
            probe: "/",
        };
        let error = ChildServer::start(command, &start).expect_err("it ends");
        let text = format!("{error:#}");
        assert!(text.contains("no luck") && text.contains('3'), "{text}");
    }
}

//! One server process of a test: a free port, a folder of its own, an owner who is not root.
//!
//! Owns the process: it ends with the value, and with the thread that started it if that dies first.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest that a test waits for a server to start or to stop.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at it.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// Another program may take a port between the look for a free one and its use.
const TRIES: usize = 5;
/// The user whom Debian's packages bring along; PostgreSQL refuses to run as root.
pub(super) const USER: &str = "postgres";

/// A server's process, its folder and its port, which a restart keeps.
#[derive(Debug)]
pub(super) struct Daemon {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    /// The signal that ends it in order.
    end: &'static str,
    /// The signal that it gets if its test dies.
    orphaned: &'static str,
    pub(super) port: u16,
    process: Option<Child>,
    folder: TempDir,
}

impl Daemon {
    /// A program on a free port; `args` tells its arguments for a port and a folder.
    pub(super) fn new(
        name: &'static str,
        program: PathBuf,
        (end, orphaned): (&'static str, &'static str),
        folder: TempDir,
        args: impl Fn(u16, &Path) -> Vec<String>,
    ) -> Daemon {
        let mut daemon = Daemon {
            name,
            program,
            args: Vec::new(),
            end,
            orphaned,
            port: 0,
            process: None,
            folder,
        };
        for _ in 0..TRIES {
            daemon.port = find_free_port();
            daemon.args = args(daemon.port, daemon.folder.path());
            if daemon.try_start() {
                return daemon;
            }
        }
        panic!("{name} does not start: {}", daemon.log());
    }

    pub(super) fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        assert!(
            self.try_start(),
            "{} does not start: {}",
            self.name,
            self.log()
        );
    }

    /// Whether it came to listen on its port.
    fn try_start(&mut self) -> bool {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = command_as_user(self.orphaned);
        command.arg(&self.program).args(&self.args);
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}: {INSTALL}", self.name));
        self.process = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.process = None;
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::sleep(LOOK);
        }
        panic!("{} does not listen: {}", self.name, self.log());
    }

    pub(super) fn stop(&mut self) {
        let Some(mut child) = self.process.take() else {
            return;
        };
        send_signal(&child, self.end);
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{} does not end: {}", self.name, self.log());
            }
            thread::sleep(LOOK);
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(mut child) = self.process.take() else {
            return;
        };
        // At once, whatever it was doing: nobody needs its files any more.
        send_signal(&child, self.orphaned);
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// What is said where a program is missing.
const INSTALL: &str = "is it installed? ./test --setup does it";

fn send_signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    let _ = sent;
}

fn find_free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

pub(super) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Runs what follows as somebody who is not root, and sends it a signal if this thread dies first.
pub(super) fn command_as_user(orphaned: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", orphaned]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.arg("--");
    command
}

/// A folder for a server that may not run as root.
pub(super) fn make_folder(name: &str) -> TempDir {
    let prefix = format!("dyno-test-{name}-");
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder.path(), mode).unwrap();
    if is_root() {
        let owner = format!("{USER}:{USER}");
        let owned = Command::new("chown").arg(owner).arg(folder.path()).status();
        assert!(
            owned.unwrap().success(),
            "there is no user {USER}: {INSTALL}"
        );
    }
    folder
}

pub(super) fn output_of(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}: {INSTALL}"))
}

/// What a program printed, or what it complained of.
pub(super) fn stdout_or_stderr(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

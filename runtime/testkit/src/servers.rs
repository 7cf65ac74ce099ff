//! Real PostgreSQL, Redis and memcached for tests: each on a free port of the loopback address, in a folder of its own.
//!
//! Owns their processes: they end with the value, and with the thread that started them if that dies first. Must not
//! know what they are used for. `./test` installs the programs.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest that a test waits for a server to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);
/// Another program may take a port between the look for a free one and its use.
const TRIES: usize = 5;
/// The user whom Debian's packages bring along; PostgreSQL refuses to run as root.
const USER: &str = "postgres";
/// The operator's password of every server here.
pub const PASSWORD: &str = "operators-own-secret";

/// A server's process, its folder and its port, which a restart keeps.
#[derive(Debug)]
struct Daemon {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    /// The signal that ends it in order.
    end: &'static str,
    /// The signal that it gets if its test dies.
    orphaned: &'static str,
    port: u16,
    process: Option<Child>,
    folder: TempDir,
}

impl Daemon {
    /// A program on a free port; `args` tells its arguments for a port and a folder.
    fn new(
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
            daemon.port = free_port();
            daemon.args = args(daemon.port, daemon.folder.path());
            if daemon.try_start() {
                return daemon;
            }
        }
        panic!("{name} does not start: {}", daemon.log());
    }

    fn start(&mut self) {
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
        let mut command = as_user(self.orphaned);
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

    fn stop(&mut self) {
        let Some(mut child) = self.process.take() else {
            return;
        };
        signal(&child, self.end);
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

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(mut child) = self.process.take() else {
            return;
        };
        // At once, whatever it was doing: nobody needs its files any more.
        signal(&child, self.orphaned);
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

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    let _ = sent;
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Runs what follows as somebody who is not root, and sends it a signal if this thread dies first.
fn as_user(orphaned: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", orphaned]);
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.arg("--");
    command
}

/// A folder for a server that may not run as root.
fn folder(name: &str) -> TempDir {
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

/// Where a program of PostgreSQL is: on Debian, only a few of them are on the path.
fn postgres_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|program| program.is_file())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn ran(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}: {INSTALL}"))
}

/// What a program printed, or what it complained of.
fn told(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// A PostgreSQL server, whose superuser is `admin` with [`PASSWORD`].
#[derive(Debug)]
pub struct Postgres(Daemon);

impl Postgres {
    /// A new, empty one that answers.
    pub fn start() -> Postgres {
        let folder = folder("postgresql");
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
        let mut initdb = as_user("KILL");
        initdb.arg(postgres_program("initdb")).arg("-D").arg(&data);
        initdb.args([
            "-U",
            "admin",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]);
        initdb
            .arg("--pwfile")
            .arg(&password)
            .current_dir(folder.path());
        told(&ran(&mut initdb)).unwrap_or_else(|error| panic!("initdb: {error}"));
        let args = |port: u16, folder: &Path| {
            let sockets = format!("unix_socket_directories={}", folder.display());
            let port = port.to_string();
            let data = folder.join("data").display().to_string();
            // Nothing here has to survive a power cut.
            let settings = [
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
                &sockets,
            ];
            let own = ["-D", &data, "-p", &port];
            own.into_iter().chain(settings).map(str::to_owned).collect()
        };
        let program = postgres_program("postgres");
        let server = Postgres(Daemon::new(
            "postgresql",
            program,
            ("INT", "QUIT"),
            folder,
            args,
        ));
        server.wait();
        server
    }

    /// It listens before it lets anybody in.
    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.sql("select 1") {
            assert!(Instant::now() < deadline, "{error}: {}", self.0.log());
            thread::sleep(LOOK);
        }
    }

    /// Ends it, in order.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it again, on the same port with what it had.
    pub fn start_again(&mut self) {
        self.0.start();
        self.wait();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The operator's URL.
    pub fn url(&self) -> String {
        self.url_at(self.0.port)
    }

    /// The operator's URL, of another port that leads here.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://admin:{PASSWORD}@127.0.0.1:{port}/postgres")
    }

    /// What the operator gets for a statement: rows as lines, columns apart by `|`.
    ///
    /// # Errors
    /// What `psql` complains of.
    pub fn sql(&self, statement: &str) -> Result<String, String> {
        Postgres::sql_as(&self.url(), statement)
    }

    /// What whoever has this URL gets for a statement.
    ///
    /// # Errors
    /// What `psql` complains of.
    pub fn sql_as(url: &str, statement: &str) -> Result<String, String> {
        let mut psql = Command::new(postgres_program("psql"));
        psql.args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url,
            "-c",
            statement,
        ]);
        psql.env("PGCONNECT_TIMEOUT", "10");
        told(&ran(&mut psql))
    }

    /// A session of the operator's that lasts, such as one that holds locks: statements go in by its stdin.
    pub fn session(&self) -> Child {
        let mut psql = Command::new(postgres_program("psql"));
        psql.args(["-X", "-A", "-t", "-q", "-d", &self.url()]);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        psql.stderr(Stdio::null()).spawn().unwrap()
    }

    /// What it logged, statements with errors included.
    pub fn log(&self) -> String {
        self.0.log()
    }
}

/// A Redis server, whose default user has [`PASSWORD`].
#[derive(Debug)]
pub struct Redis(Daemon);

impl Redis {
    /// A new, empty one that answers, and keeps its users in a file as its data.
    pub fn start() -> Redis {
        let folder = folder("redis");
        let users = folder.path().join("users.acl");
        fs::write(&users, format!("user default on >{PASSWORD} ~* &* +@all\n")).unwrap();
        if is_root() {
            let owned = Command::new("chown").arg(USER).arg(&users).status();
            assert!(owned.unwrap().success());
        }
        Redis::with(folder, &["--aclfile", "users.acl"])
    }

    /// One that knows no users, as all did before version 6.
    pub fn without_users() -> Redis {
        let args = ["--requirepass", PASSWORD, "--rename-command", "ACL", ""];
        Redis::with(folder("redis"), &args)
    }

    /// One that forgets its users when it ends.
    pub fn forgetful() -> Redis {
        Redis::with(folder("redis"), &["--requirepass", PASSWORD])
    }

    fn with(folder: TempDir, more: &[&str]) -> Redis {
        let args = |port: u16, folder: &Path| {
            let (port, folder) = (port.to_string(), folder.display().to_string());
            let own = ["--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
            let kept = [
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ];
            let all = own.iter().chain(&kept).chain(more);
            all.map(|arg| (*arg).to_owned()).collect()
        };
        let program = PathBuf::from("redis-server");
        let server = Redis(Daemon::new(
            "redis",
            program,
            ("TERM", "KILL"),
            folder,
            args,
        ));
        server.wait();
        server
    }

    /// It listens before it has loaded its data.
    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(&["PING"]) != Ok("PONG".to_owned()) {
            assert!(Instant::now() < deadline, "{}", self.0.log());
            thread::sleep(LOOK);
        }
    }

    /// Ends it, in order.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it again, on the same port with what it had.
    pub fn start_again(&mut self) {
        self.0.start();
        self.wait();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The operator's URL.
    pub fn url(&self) -> String {
        self.url_at(self.0.port)
    }

    /// The operator's URL, of another port that leads here.
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{port}")
    }

    /// What the operator gets for a command.
    ///
    /// # Errors
    /// What the server complains of.
    pub fn ask(&self, words: &[&str]) -> Result<String, String> {
        Redis::ask_as(&self.url(), words)
    }

    /// What whoever has this URL gets for a command.
    ///
    /// # Errors
    /// What the server complains of.
    pub fn ask_as(url: &str, words: &[&str]) -> Result<String, String> {
        let mut cli = Command::new("redis-cli");
        // It takes a user without a name for one whose name is empty.
        let url = url.replace("redis://:", "redis://default:");
        cli.args(["--no-auth-warning", "-e", "-u", &url])
            .args(words);
        let output = ran(&mut cli);
        let complaint = String::from_utf8_lossy(&output.stderr);
        match told(&output) {
            // One that cannot log in says so, and goes on.
            Ok(_) if complaint.contains("AUTH failed") => Err(complaint.trim_end().to_owned()),
            Ok(text) => Ok(text),
            Err(error) if error.is_empty() => Err(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned()),
            Err(error) => Err(error),
        }
    }
}

/// A memcached server.
#[derive(Debug)]
pub struct Memcached(Daemon);

impl Memcached {
    /// A new, empty one that answers.
    pub fn start() -> Memcached {
        let args = |port: u16, _: &Path| {
            let port = port.to_string();
            let args = ["-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "64"];
            args.map(str::to_owned).to_vec()
        };
        let program = PathBuf::from("memcached");
        let folder = folder("memcached");
        Memcached(Daemon::new(
            "memcached",
            program,
            ("TERM", "KILL"),
            folder,
            args,
        ))
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it again on the same port, empty.
    pub fn start_again(&mut self) {
        self.0.start();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// `HOST:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// What it answers to lines of its text protocol, such as `get greeting`, up to `end`.
    pub fn ask(address: &str, lines: &str, end: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(lines.replace('\n', "\r\n").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4_096];
        while !String::from_utf8_lossy(&answer).contains(end) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "it hung up after {answer:?}");
            answer.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(answer).unwrap()
    }
}

//! Runs the built `dyno` as a user does, and speaks HTTP to it.
//!
//! Waits are bounded by [`PATIENCE`], which is reached only when a test fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longest that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The repository's folder.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The folder in which cargo put the running test's profile: binaries, and `deps` with the tests.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let deps = test.parent().filter(|folder| folder.ends_with("deps"));
    let deps = deps.unwrap_or_else(|| panic!("{} is no test built by cargo", test.display()));
    deps.parent().unwrap().to_owned()
}

/// The folder that tests may write to: `target/tmp`. It outlives them.
pub fn scratch() -> PathBuf {
    let folder = profile_folder().parent().unwrap().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A test guest by its name, built now if it is not there.
pub fn guest(name: &str) -> PathBuf {
    let folder = std::env::var_os("DYNO_TEST_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        let target = root().join("target/guests");
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--target",
                "wasm32-wasip2",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(root().join("runtime/dyno/tests/guests"))
            .status();
        assert!(status.unwrap().success(), "the test guests do not build");
        target.join("wasm32-wasip2/release")
    });
    let file = folder.join(format!("{name}.wasm"));
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// A test guest that speaks WASI preview 1, a core module, by its name.
pub fn core_guest(name: &str) -> PathBuf {
    let components = guest("good");
    let target = components.ancestors().nth(3).unwrap();
    let file = target.join(format!("wasm32-wasip1/release/{name}.wasm"));
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// A component made by other people's toolchains, by its name: `wstd`, `p3`, `axum`, `js`, `py`.
pub fn foreign(name: &str) -> PathBuf {
    let folder = std::env::var_os("DYNO_TEST_FOREIGN").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        let target = root().join("target/foreign");
        let build = root().join("runtime/dyno/tests/guests/foreign/build");
        let status = Command::new(build).arg(&target).arg(name).status();
        assert!(
            status.unwrap().success(),
            "the foreign component {name} does not build"
        );
        target
    });
    folder.join(format!("{name}.wasm"))
}

/// The binary, with a cache that tests share and nothing else of the user's.
pub fn dyno() -> Command {
    let mut command = Command::new(profile_folder().join("dyno"));
    command
        .env("XDG_CACHE_HOME", scratch().join("cache"))
        .env("NO_COLOR", "1")
        .env("XDG_CONFIG_HOME", no_config())
        .env_remove("DYNO_APP")
        .env_remove("DYNO_SERVER")
        .env_remove("DYNO_TOKEN")
        .stdin(Stdio::null());
    command
}

/// What a command shows on a terminal that is so many columns wide.
pub fn on_terminal(command: &Command, columns: u32) -> String {
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(quoted)
        .collect();
    let script = format!("stty cols {columns} rows 24; exec {}", words.join(" "));
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &script, "/dev/null"])
        .stdin(Stdio::null());
    terminal.env("TERM", "xterm-256color");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        terminal.current_dir(folder);
    }
    String::from_utf8(terminal.output().unwrap().stdout).unwrap()
}

/// A configuration that nobody has made.
fn no_config() -> PathBuf {
    scratch().join("no-config")
}

/// A running `dyno local`.
pub struct Local {
    child: Child,
    pub port: u16,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Output {
    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
        self.more.notify_all();
    }
}

impl Local {
    /// `dyno local PATH -p 0 ARGS…`, until it says where it is.
    pub fn start(path: &Path, args: &[&str]) -> Local {
        let mut local = Local::spawn(path, args);
        local.port = local.url_port();
        local
    }

    /// The same, without waiting for anything; `port` is 0.
    pub fn spawn(path: &Path, args: &[&str]) -> Local {
        Local::spawn_with(dyno().arg("local").arg(path).args(["-p", "0"]).args(args))
    }

    /// The port in the URL, as soon as it is printed.
    pub fn url_port(&self) -> u16 {
        let line = self.wait_for("the URL", |line| line.contains(" is up: http://"));
        let port = line.rsplit(':').next().unwrap().trim_end_matches('/');
        port.parse().unwrap()
    }

    /// Any form of `dyno local`, until it says where it is.
    pub fn start_with(command: &mut Command) -> Local {
        let mut local = Local::spawn_with(command);
        local.port = local.url_port();
        local
    }

    /// Any command that runs until it is stopped.
    pub fn spawn_with(command: &mut Command) -> Local {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::<Output>::default();
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let port = 0;
        Local {
            child,
            port,
            output,
        }
    }

    /// All lines so far, stdout and stderr together.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines.lock().unwrap().clone()
    }

    /// How many lines there are; for [`Local::wait_for_after`].
    pub fn mark(&self) -> usize {
        self.output.lines.lock().unwrap().len()
    }

    /// The first line that fits, as soon as it is there.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.wait_for_after(0, what, fits)
    }

    /// The first line from `mark` on that fits.
    pub fn wait_for_after(&self, mark: usize, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.output.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().skip(mark).find(|line| fits(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no line shows {what}:\n{}",
                lines.join("\n")
            );
            lines = self.output.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// The router's line about the request whose path is `path`.
    pub fn router_line(&self, path: &str) -> String {
        self.router_line_after(0, path)
    }

    /// The same, from `mark` on.
    pub fn router_line_after(&self, mark: usize, path: &str) -> String {
        let field = format!(" path=\"{path}\" ");
        let fits = |line: &str| line.contains("dyno[router]: ") && line.contains(&field);
        self.wait_for_after(mark, &format!("a request of {path}"), fits)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `bytes` on a new connection and reads to its end.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        Reply::parse(&self.raw(&[head.as_bytes(), body].concat()))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Reply {
        self.request("POST", path, &[], body)
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the process to end.
    pub fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ctrl-C, and the end.
    pub fn stop(self) -> ExitStatus {
        self.signal("INT");
        self.wait()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            output.push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

/// An HTTP/1.1 response as it came over the wire.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ended as its framing says, rather than with the connection.
    pub complete: bool,
}

impl Reply {
    /// Reads what came on a connection that was closed after one response. No response: status 0.
    pub fn parse(bytes: &[u8]) -> Reply {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Reply::default();
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply {
            status: status.unwrap_or(0),
            headers,
            ..Reply::default()
        };
        let rest = &bytes[end + 4..];
        if reply
            .header("transfer-encoding")
            .is_some_and(|value| value.contains("chunked"))
        {
            (reply.body, reply.complete) = unchunk(rest);
        } else {
            let length = reply
                .header("content-length")
                .and_then(|value| value.parse().ok());
            reply.body = rest.to_vec();
            reply.complete = length.is_none_or(|length: usize| length == rest.len());
        }
        reply
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own == name);
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let Some(size) = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok()) else {
            break;
        };
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        let here = size.min(rest.len());
        body.extend_from_slice(&rest[..here]);
        rest = &rest[(here + 2).min(rest.len())..];
    }
    (body, false)
}

/// The number in `name=123` or `name=123ms` of a log line.
pub fn field(line: &str, name: &str) -> u64 {
    let key = format!(" {name}=");
    let value = line
        .split_once(&key)
        .unwrap_or_else(|| panic!("no {name} in {line}"))
        .1;
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

//! A `dyno` process that runs until it is stopped: the lines that it writes, and HTTP requests to its port.
//!
//! Owns the child process and the threads that read its output. Must not know which subcommand runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::PATIENCE;
use crate::command::dyno_command;
use crate::http::HttpReply;

/// A running `dyno local`, or another command that runs until it is stopped. Dropping the value kills the process.
pub struct DynoProcess {
    child: Child,
    /// The port on which the app answers; 0 unless a constructor waited for the URL.
    pub port: u16,
    output: Arc<ProcessOutput>,
}

#[derive(Default)]
struct ProcessOutput {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl ProcessOutput {
    fn push(&self, line: String) {
        self.lines.lock().push(line);
        self.more.notify_all();
    }
}

impl DynoProcess {
    /// Runs `dyno local PATH -p 0 ARGS…`, and waits for its URL.
    pub fn start_local(path: &Path, args: &[&str]) -> DynoProcess {
        let mut local = DynoProcess::spawn_local(path, args);
        local.port = local.wait_for_port();
        local
    }

    /// Runs `dyno local PATH -p 0 ARGS…` without waiting for anything; `port` is 0.
    pub fn spawn_local(path: &Path, args: &[&str]) -> DynoProcess {
        DynoProcess::spawn(
            dyno_command()
                .arg("local")
                .arg(path)
                .args(["-p", "0"])
                .args(args),
        )
    }

    /// Waits for the line with the URL, and gives its port.
    pub fn wait_for_port(&self) -> u16 {
        self.wait_for_port_within(PATIENCE)
    }

    /// Waits for the line with the URL for this long, such as for an app whose component is not compiled yet.
    pub fn wait_for_port_within(&self, patience: Duration) -> u16 {
        let is_url = |line: &str| line.contains(" is up: http://");
        let line = self.wait_within(patience, 0, "the URL", is_url);
        let port = line.rsplit(':').next().unwrap().trim_end_matches('/');
        port.parse().unwrap()
    }

    /// Runs any form of `dyno local`, and waits for its URL.
    pub fn start(command: &mut Command) -> DynoProcess {
        let mut local = DynoProcess::spawn(command);
        local.port = local.wait_for_port();
        local
    }

    /// Runs a command without waiting for anything; `port` is 0.
    pub fn spawn(command: &mut Command) -> DynoProcess {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::<ProcessOutput>::default();
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let port = 0;
        DynoProcess {
            child,
            port,
            output,
        }
    }

    /// All lines so far, stdout and stderr together.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines.lock().clone()
    }

    /// The number of lines so far: a mark for [`DynoProcess::wait_for_line_after`].
    pub fn line_count(&self) -> usize {
        self.output.lines.lock().len()
    }

    /// Waits for a line that `fits`; `what` names the line where none comes.
    pub fn wait_for_line(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.wait_for_line_after(0, what, fits)
    }

    /// Waits for a line that `fits`, behind the first `mark` lines.
    pub fn wait_for_line_after(
        &self,
        mark: usize,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> String {
        self.wait_within(PATIENCE, mark, what, fits)
    }

    fn wait_within(
        &self,
        patience: Duration,
        mark: usize,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> String {
        let deadline = Instant::now() + patience;
        let mut lines = self.output.lines.lock();
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
            self.output.more.wait_for(&mut lines, left);
        }
    }

    /// Waits for the router's line about a request of this path.
    pub fn wait_for_router_line(&self, path: &str) -> String {
        self.wait_for_router_line_after(0, path)
    }

    /// Waits for the router's line about a request of this path, behind the first `mark` lines.
    pub fn wait_for_router_line_after(&self, mark: usize, path: &str) -> String {
        let field = format!(" path=\"{path}\" ");
        let fits = |line: &str| line.contains("dyno[router]: ") && line.contains(&field);
        self.wait_for_line_after(mark, &format!("a request of {path}"), fits)
    }

    /// Opens a connection to the port.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a new connection, and reads until the connection ends.
    pub fn send_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut received = Vec::new();
        // A reset ends the connection too.
        let _ = stream.read_to_end(&mut received);
        received
    }

    /// Sends a request for the host `demo.localhost` on a new connection, with these header lines.
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> HttpReply {
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
        HttpReply::parse(&self.send_bytes(&[head.as_bytes(), body].concat()))
    }

    /// Sends a GET on a new connection.
    pub fn get(&self, path: &str) -> HttpReply {
        self.request("GET", path, &[], b"")
    }

    /// Sends a POST on a new connection.
    pub fn post(&self, path: &str, body: &[u8]) -> HttpReply {
        self.request("POST", path, &[], body)
    }

    /// The id of the process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn send_signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the process to end.
    pub fn wait_for_exit(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the process to end.
    pub fn stop(self) -> ExitStatus {
        self.send_signal("INT");
        self.wait_for_exit()
    }
}

impl Drop for DynoProcess {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a thread that keeps the lines of a stream until it ends.
fn collect(stream: impl Read + Send + 'static, output: &Arc<ProcessOutput>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            output.push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

/// The number in `name=123` or `name=123ms` of a log line.
pub fn log_field(line: &str, name: &str) -> u64 {
    let key = format!(" {name}=");
    let value = line
        .split_once(&key)
        .unwrap_or_else(|| panic!("no {name} in {line}"))
        .1;
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

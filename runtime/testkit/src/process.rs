//! Runs the built `dyno` as a user does, reads what it writes, and speaks HTTP to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::command::dyno_command;
use crate::http::HttpReply;

/// A running `dyno local`, or another command that runs until it is stopped. It is killed with the value.
pub struct DynoProcess {
    child: Child,
    /// Where it serves on this machine; 0 if nobody waited for it to say so.
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
        self.lines.lock().unwrap().push(line);
        self.more.notify_all();
    }
}

impl DynoProcess {
    /// `dyno local PATH -p 0 ARGS…`, until it says where it is.
    pub fn start_local(path: &Path, args: &[&str]) -> DynoProcess {
        let mut local = DynoProcess::spawn_local(path, args);
        local.port = local.wait_for_port();
        local
    }

    /// The same, without waiting for anything; `port` is 0.
    pub fn spawn_local(path: &Path, args: &[&str]) -> DynoProcess {
        DynoProcess::spawn(
            dyno_command()
                .arg("local")
                .arg(path)
                .args(["-p", "0"])
                .args(args),
        )
    }

    /// The port in the URL, as soon as it is printed.
    pub fn wait_for_port(&self) -> u16 {
        let line = self.wait_for_line("the URL", |line| line.contains(" is up: http://"));
        let port = line.rsplit(':').next().unwrap().trim_end_matches('/');
        port.parse().unwrap()
    }

    /// Any form of `dyno local`, until it says where it is.
    pub fn start(command: &mut Command) -> DynoProcess {
        let mut local = DynoProcess::spawn(command);
        local.port = local.wait_for_port();
        local
    }

    /// Any command that runs until it is stopped.
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
        self.output.lines.lock().unwrap().clone()
    }

    /// How many lines there are; for [`Local::wait_for_after`].
    pub fn line_count(&self) -> usize {
        self.output.lines.lock().unwrap().len()
    }

    /// The first line that fits, as soon as it is there.
    pub fn wait_for_line(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.wait_for_line_after(0, what, fits)
    }

    /// The first line from `mark` on that fits.
    pub fn wait_for_line_after(
        &self,
        mark: usize,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> String {
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
    pub fn wait_for_router_line(&self, path: &str) -> String {
        self.wait_for_router_line_after(0, path)
    }

    /// The same, from `mark` on.
    pub fn wait_for_router_line_after(&self, mark: usize, path: &str) -> String {
        let field = format!(" path=\"{path}\" ");
        let fits = |line: &str| line.contains("dyno[router]: ") && line.contains(&field);
        self.wait_for_line_after(mark, &format!("a request of {path}"), fits)
    }

    /// A new connection to its port.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `bytes` on a new connection and reads to its end.
    pub fn send_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A request on a connection of its own.
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

    /// A GET on a connection of its own.
    pub fn get(&self, path: &str) -> HttpReply {
        self.request("GET", path, &[], b"")
    }

    /// A POST on a connection of its own.
    pub fn post(&self, path: &str, body: &[u8]) -> HttpReply {
        self.request("POST", path, &[], body)
    }

    /// The process's id.
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
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ctrl-C, and the end.
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

//! `dyno serve` in its network, with requests from the internet.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{DynoProcess, HttpReply, PATIENCE, dyno_command, guest_path, wait_until};

use crate::two_networks::{OWN, World};

/// The port of the apps, on every address of the server.
const APPS: u16 = 8_080;
/// The port of the API.
pub(crate) const API: u16 = 8_081;

/// A running server.
pub(crate) struct Server {
    process: DynoProcess,
    token: String,
    data: PathBuf,
}

impl Server {
    /// Starts a server with these flags, and waits until it is ready.
    pub(crate) fn start(world: &World, flags: &[&str]) -> Server {
        Server::start_with(world, flags, |_| {})
    }

    /// Starts a server with these flags and an adapted command, and waits until it is ready.
    pub(crate) fn start_with(
        world: &World,
        flags: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Server {
        let data = world.path("data");
        let fresh = !data.exists();
        let mut command = dyno_command();
        command.args(["serve", "--listen", &format!("0.0.0.0:{APPS}")]);
        command.args(["--api", &format!("0.0.0.0:{API}"), "--data"]);
        command.arg(&data).args(flags);
        // The first start writes a login to the user's configuration, which other tests must not share.
        command.env("XDG_CONFIG_HOME", data.with_extension("config"));
        more(&mut command);
        let process = DynoProcess::spawn(&mut world.at_server(&command));
        let token = data.with_extension("token");
        if fresh {
            let line = process.wait_for_line("the token", |line| line.starts_with("admin token: "));
            std::fs::write(&token, line.rsplit(' ').next().unwrap()).unwrap();
        }
        let token = std::fs::read_to_string(token).unwrap();
        let server = Server {
            process,
            token,
            data,
        };
        wait_until("the API answers", || {
            let reply = exchange(API, "api.localhost", "/readyz", "");
            reply.is_ok_and(|reply| reply.status == 200)
        });
        server
    }

    /// Starts a server, and deploys an app of each of these guests.
    pub(crate) fn with(world: &World, flags: &[&str], guests: &[&str]) -> Server {
        let server = Server::start(world, flags);
        for name in guests {
            server.deploy(&name.replace('_', "-"), name);
        }
        server
    }

    /// Runs a `dyno` command against this server. The command must succeed; returns stdout.
    #[track_caller]
    pub(crate) fn dyno(&self, words: &[&str]) -> String {
        let mut command = dyno_command();
        command
            .args(words)
            .env("DYNO_SERVER", format!("http://{OWN}:{API}"));
        let output = command.env("DYNO_TOKEN", &self.token).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{words:?}: {out}{err}");
        out
    }

    /// Creates an app, and deploys a test guest as its code.
    #[track_caller]
    pub(crate) fn deploy(&self, app: &str, name: &str) {
        let folder = self.data.with_file_name(app);
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(guest_path(name), folder.join("app.wasm")).unwrap();
        std::fs::write(folder.join("Procfile"), "web: app.wasm\n").unwrap();
        self.dyno(&["apps", "create", app]);
        self.dyno(&["deploy", folder.to_str().unwrap(), "-a", app]);
    }

    /// The body of the response of an app, with status 200.
    #[track_caller]
    pub(crate) fn page(&self, app: &str, path: &str) -> String {
        let reply = exchange(APPS, &format!("{app}.localhost"), path, "").unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.text()
    }

    /// Makes an app connect to a place by the interface `what`, and returns its report.
    #[track_caller]
    pub(crate) fn ask(&self, app: &str, what: &str, place: &str) -> String {
        self.page(app, &format!("/x?{what}={place}"))
    }

    /// Checks that an app reaches a place.
    #[track_caller]
    pub(crate) fn allows(&self, app: &str, what: &str, place: &str) {
        let said = self.ask(app, what, place);
        assert!(
            said.starts_with("allowed: "),
            "{app} {what} {place}: {said}"
        );
    }

    /// Checks that an app does not reach a place, for one of these reasons.
    #[track_caller]
    pub(crate) fn refuses(&self, app: &str, what: &str, place: &str, reasons: &[&str]) {
        let said = self.ask(app, what, place);
        let named = reasons.iter().any(|reason| said.contains(reason));
        assert!(
            said.starts_with("refused: ") && named,
            "{app} {what} {place}: {said}"
        );
    }

    /// The log of an app so far.
    pub(crate) fn log(&self, app: &str) -> String {
        let path = format!("/v1/apps/{app}/logs?n=1500");
        let token = format!("Authorization: Bearer {}\r\n", self.token);
        exchange(API, "api.localhost", &path, &token)
            .unwrap()
            .text()
    }

    /// Waits for a line of the app's log that has all of these words.
    #[track_caller]
    pub(crate) fn logs(&self, app: &str, words: &[&str]) -> String {
        let mut found = None;
        wait_until(&format!("a log line has {words:?}"), || {
            let log = self.log(app);
            let mut lines = log.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            found = line.map(str::to_owned);
            found.is_some()
        });
        found.unwrap()
    }

    /// The folder of the server's process in `/proc`.
    pub(crate) fn process(&self) -> PathBuf {
        Path::new("/proc").join(self.process.process_id().to_string())
    }

    /// Sends SIGTERM; the server must end with success.
    pub(crate) fn stop(self) {
        self.process.send_signal("TERM");
        assert!(self.process.wait_for_exit().success());
    }
}

/// Sends a GET with further header lines, and returns the response.
fn exchange(port: u16, host: &str, path: &str, headers: &str) -> io::Result<HttpReply> {
    let mut stream = TcpStream::connect((OWN, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
    )?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(HttpReply::parse(&answer))
}

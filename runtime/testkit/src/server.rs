//! A running `dyno serve` of a [`Rig`]: its commands, its API and its apps.
//!
//! Every server listens on ports that were free; none outlives its test.

use std::io;
use std::net::TcpStream;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use serde_json::{Value, json};

use crate::command::{Said, say};
use crate::http::{self, Reply, items, text};
use crate::process::Local;
use crate::rig::{Rig, Slug};
use crate::{PATIENCE, eventually};

/// A running `dyno serve`.
pub struct Server<'a> {
    rig: &'a Rig,
    /// The process, whose output is what an operator sees.
    pub process: Local,
    /// The port of the apps.
    pub apps: u16,
    /// The port of the API.
    pub api: u16,
}

impl Server<'_> {
    /// The server that a command is, as soon as it says where it is.
    pub(crate) fn start<'rig>(rig: &'rig Rig, command: &mut Command) -> Server<'rig> {
        let process = Local::spawn_with(command);
        let port = |name: &str| {
            let line = process.wait_for(name, |line| line.trim_start().starts_with(name));
            let port = line.rsplit(':').next().unwrap().trim_end_matches('/');
            port.parse().unwrap()
        };
        let (apps, api) = (port("Apps http://"), port("API http://"));
        Server {
            rig,
            process,
            apps,
            api,
        }
    }

    /// The token that the first server in a data folder prints.
    pub(crate) fn first_token(&self) -> String {
        let line = self
            .process
            .wait_for("the token", |line| line.starts_with("admin token: "));
        line.rsplit(' ').next().unwrap().to_owned()
    }

    pub(crate) fn wait_for_api(&self) {
        eventually("the API answers", || {
            self.try_open("GET", "/healthz")
                .is_ok_and(|reply| reply.status == 200)
        });
    }

    /// Waits until every app that served before serves again.
    pub fn wait_until_ready(&self) {
        eventually("the server is ready", || {
            self.open("GET", "/readyz").status == 200
        });
    }

    /// `dyno` with these words, meaning this server.
    pub fn dyno(&self, words: &[&str]) -> Said {
        say(&mut self.command(words))
    }

    /// The same, not yet run.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.rig.home().dyno();
        command
            .args(words)
            .env("DYNO_SERVER", format!("http://127.0.0.1:{}", self.api))
            .env("DYNO_TOKEN", self.rig.token());
        command
    }

    fn host(&self, name: &str) -> String {
        format!("Host: {name}.localhost")
    }

    fn try_open(&self, method: &str, path: &str) -> io::Result<Reply> {
        let headers = [self.host("api"), "Connection: close".to_owned()];
        http::exchange(self.api, &http::request(method, path, &headers, b""))
    }

    /// A request of the API without a token.
    #[track_caller]
    pub fn open(&self, method: &str, path: &str) -> Reply {
        self.try_open(method, path).unwrap()
    }

    /// A request of the API.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &[u8]) -> io::Result<Reply> {
        let media = if method == "PUT" {
            "application/vnd.dyno.slug.v1+tar.zstd"
        } else {
            "application/json"
        };
        let headers = [
            self.host("api"),
            "Connection: close".to_owned(),
            format!("Authorization: Bearer {token}"),
            format!("Content-Type: {media}"),
        ];
        http::exchange(self.api, &http::request(method, path, &headers, body))
    }

    /// A request of the API with the first token.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn try_api(&self, method: &str, path: &str, body: &Value) -> io::Result<Reply> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.ask(self.rig.token(), method, path, body.as_bytes())
    }

    /// The same, which is answered.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.try_api(method, path, body).unwrap()
    }

    /// An object of the API.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.api("GET", path, &Value::Null).is(200)
    }

    /// Gives the server a slug.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn upload(&self, slug: &Slug) -> io::Result<Reply> {
        let path = format!("/v1/slugs/{}", slug.hex());
        self.ask(self.rig.token(), "PUT", &path, &slug.bytes)
    }

    /// Makes an app with this slug, and waits until it serves.
    #[track_caller]
    pub fn make(&self, app: &str, slug: &Slug) {
        assert!(self.upload(slug).unwrap().status < 300);
        self.api("POST", "/v1/apps", &json!({ "name": app }))
            .is(201);
        let version = self.release(app, &json!({ "slug": slug.id }));
        self.wait_until_serving(app, &version);
    }

    /// Makes a release; returns its version.
    #[track_caller]
    pub fn release(&self, app: &str, what: &Value) -> String {
        let path = format!("/v1/apps/{app}/releases");
        let created = self.api("POST", &path, what).is(201);
        text(&created, "version").to_owned()
    }

    /// Changes config vars; returns the version that this makes.
    #[track_caller]
    pub fn set(&self, app: &str, changes: &Value) -> String {
        let path = format!("/v1/apps/{app}/config-vars");
        let reply = self.api("PATCH", &path, changes);
        reply.is(200);
        reply.header("x-dyno-release").unwrap().to_owned()
    }

    /// Asks for so many web dynos.
    #[track_caller]
    pub fn scale(&self, app: &str, quantity: u32) {
        let path = format!("/v1/apps/{app}/formation");
        let update = json!({ "updates": [{ "type": "web", "quantity": quantity }] });
        self.api("PATCH", &path, &update).is(200);
    }

    /// Waits until the API says that this release serves.
    #[track_caller]
    pub fn wait_until_serving(&self, app: &str, version: &str) {
        let release = self.outcome(app, version);
        assert_eq!(release["status"], "serving", "{release}");
    }

    /// What became of a release.
    #[track_caller]
    pub fn outcome(&self, app: &str, version: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let release = self.get(&format!("/v1/apps/{app}/releases/{version}?wait=30"));
            if release["status"] != "pending" {
                return release;
            }
            assert!(Instant::now() < deadline, "{version} is still pending");
        }
    }

    /// The app's dynos.
    #[track_caller]
    pub fn dynos(&self, app: &str) -> Vec<Value> {
        items(&self.get(&format!("/v1/apps/{app}/dynos?limit=1000"))).to_owned()
    }

    /// Waits until just so many dynos run, all of them up; after a start of the server they may sleep.
    #[track_caller]
    pub fn wait_for_dynos(&self, app: &str, count: usize) {
        eventually(&format!("{count} dynos are up"), || {
            let dynos = self.dynos(app);
            let serves = |dyno: &Value| dyno["state"] == "up" || dyno["state"] == "idle";
            dynos.len() == count && dynos.iter().all(serves)
        });
    }

    /// The app's log lines so far, as text.
    #[track_caller]
    pub fn logs(&self, app: &str) -> String {
        let path = format!("/v1/apps/{app}/logs?n=1500");
        let reply = self.api("GET", &path, &Value::Null);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }

    /// Waits for a log line with all of these words in it.
    #[track_caller]
    pub fn wait_for_log(&self, app: &str, words: &[&str]) -> String {
        let mut found = None;
        eventually(&format!("a log line has {words:?}"), || {
            let log = self.logs(app);
            let mut lines = log.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            found = line.map(str::to_owned);
            found.is_some()
        });
        found.unwrap()
    }

    /// Asks an app.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn try_app(&self, app: &str, path: &str) -> io::Result<Reply> {
        let headers = [self.host(app), "Connection: close".to_owned()];
        http::exchange(self.apps, &http::request("GET", path, &headers, b""))
    }

    /// Asks an app, which answers.
    #[track_caller]
    pub fn app(&self, app: &str, path: &str) -> Reply {
        self.try_app(app, path).unwrap()
    }

    /// What an app says with status 200.
    #[track_caller]
    pub fn page(&self, app: &str, path: &str) -> String {
        let reply = self.app(app, path);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }

    /// The value of an environment variable of an app, which must be `good` or `good3`.
    #[track_caller]
    pub fn variable(&self, app: &str, name: &str) -> String {
        self.page(app, &format!("/env/{name}"))
    }

    /// A new connection to the port of the apps.
    pub fn connect_to_apps(&self) -> TcpStream {
        http::connect(self.apps).unwrap()
    }

    /// SIGTERM, and the end.
    pub fn stop(self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait()
    }

    /// SIGKILL, and the end.
    pub fn kill(self) {
        self.process.signal("KILL");
        self.process.wait();
    }
}

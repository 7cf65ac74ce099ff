//! A running `dyno serve` of a [`Rig`]: its commands, its API and its apps.
//!
//! Every server listens on ports that were free; none outlives its test.

use std::io;
use std::net::TcpStream;
use std::process::{Command, ExitStatus};
use std::time::Instant;

use serde_json::{Value, json};

use crate::command::{CommandOutput, run_command};
use crate::http::{self, HttpReply, json_items, json_text};
use crate::process::DynoProcess;
use crate::rig::{ServerRig, SlugFile};
use crate::{PATIENCE, wait_until};

/// A running `dyno serve`.
pub struct Server<'a> {
    rig: &'a ServerRig,
    /// The process, whose output is what an operator sees.
    pub process: DynoProcess,
    /// The port of the apps.
    pub apps: u16,
    /// The port of the API.
    pub api: u16,
}

impl Server<'_> {
    /// The server that a command is, as soon as it says where it is.
    pub(crate) fn start<'rig>(rig: &'rig ServerRig, command: &mut Command) -> Server<'rig> {
        let process = DynoProcess::spawn(command);
        let port = |name: &str| {
            let line = process.wait_for_line(name, |line| line.trim_start().starts_with(name));
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
            .wait_for_line("the token", |line| line.starts_with("admin token: "));
        line.rsplit(' ').next().unwrap().to_owned()
    }

    pub(crate) fn wait_for_api(&self) {
        wait_until("the API answers", || {
            self.try_request_without_token("GET", "/healthz")
                .is_ok_and(|reply| reply.status == 200)
        });
    }

    /// Waits until every app that served before serves again.
    pub fn wait_until_ready(&self) {
        wait_until("the server is ready", || {
            self.request_without_token("GET", "/readyz").status == 200
        });
    }

    /// `dyno` with these words, meaning this server.
    pub fn run(&self, words: &[&str]) -> CommandOutput {
        run_command(&mut self.command(words))
    }

    /// The same, not yet run.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.rig.home().dyno_command();
        command
            .args(words)
            .env("DYNO_SERVER", format!("http://127.0.0.1:{}", self.api))
            .env("DYNO_TOKEN", self.rig.admin_token());
        command
    }

    fn host(&self, name: &str) -> String {
        format!("Host: {name}.localhost")
    }

    fn try_request_without_token(&self, method: &str, path: &str) -> io::Result<HttpReply> {
        let headers = [self.host("api"), "Connection: close".to_owned()];
        http::send_request(self.api, &http::encode_request(method, path, &headers, b""))
    }

    /// A request of the API without a token.
    #[track_caller]
    pub fn request_without_token(&self, method: &str, path: &str) -> HttpReply {
        self.try_request_without_token(method, path).unwrap()
    }

    /// A request of the API.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn request_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> io::Result<HttpReply> {
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
        http::send_request(
            self.api,
            &http::encode_request(method, path, &headers, body),
        )
    }

    /// A request of the API with the first token.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn try_request(&self, method: &str, path: &str, body: &Value) -> io::Result<HttpReply> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.request_as(self.rig.admin_token(), method, path, body.as_bytes())
    }

    /// The same, which is answered.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: &Value) -> HttpReply {
        self.try_request(method, path, body).unwrap()
    }

    /// An object of the API.
    #[track_caller]
    pub fn get_json(&self, path: &str) -> Value {
        self.request("GET", path, &Value::Null).json_of_status(200)
    }

    /// Gives the server a slug.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn upload_slug(&self, slug: &SlugFile) -> io::Result<HttpReply> {
        let path = format!("/v1/slugs/{}", slug.hex());
        self.request_as(self.rig.admin_token(), "PUT", &path, &slug.bytes)
    }

    /// Makes an app with this slug, and waits until it serves.
    #[track_caller]
    pub fn create_app(&self, app: &str, slug: &SlugFile) {
        assert!(self.upload_slug(slug).unwrap().status < 300);
        self.request("POST", "/v1/apps", &json!({ "name": app }))
            .json_of_status(201);
        let version = self.create_release(app, &json!({ "slug": slug.id }));
        self.wait_until_serving(app, &version);
    }

    /// Makes a release; returns its version.
    #[track_caller]
    pub fn create_release(&self, app: &str, what: &Value) -> String {
        let path = format!("/v1/apps/{app}/releases");
        let created = self.request("POST", &path, what).json_of_status(201);
        json_text(&created, "version").to_owned()
    }

    /// Changes config vars; returns the version that this makes.
    #[track_caller]
    pub fn set_config_vars(&self, app: &str, changes: &Value) -> String {
        let path = format!("/v1/apps/{app}/config-vars");
        let reply = self.request("PATCH", &path, changes);
        reply.json_of_status(200);
        reply.header("x-dyno-release").unwrap().to_owned()
    }

    /// Asks for so many web dynos.
    #[track_caller]
    pub fn scale(&self, app: &str, quantity: u32) {
        let path = format!("/v1/apps/{app}/formation");
        let update = json!({ "updates": [{ "type": "web", "quantity": quantity }] });
        self.request("PATCH", &path, &update).json_of_status(200);
    }

    /// Waits until the API says that this release serves.
    #[track_caller]
    pub fn wait_until_serving(&self, app: &str, version: &str) {
        let release = self.wait_for_outcome(app, version);
        assert_eq!(release["status"], "serving", "{release}");
    }

    /// What became of a release.
    #[track_caller]
    pub fn wait_for_outcome(&self, app: &str, version: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let release = self.get_json(&format!("/v1/apps/{app}/releases/{version}?wait=30"));
            if release["status"] != "pending" {
                return release;
            }
            assert!(Instant::now() < deadline, "{version} is still pending");
        }
    }

    /// The app's dynos.
    #[track_caller]
    pub fn list_dynos(&self, app: &str) -> Vec<Value> {
        json_items(&self.get_json(&format!("/v1/apps/{app}/dynos?limit=1000"))).to_owned()
    }

    /// Waits until just so many dynos run, all of them up; after a start of the server they may sleep.
    #[track_caller]
    pub fn wait_for_dynos(&self, app: &str, count: usize) {
        wait_until(&format!("{count} dynos are up"), || {
            let dynos = self.list_dynos(app);
            let serves = |dyno: &Value| dyno["state"] == "up" || dyno["state"] == "idle";
            dynos.len() == count && dynos.iter().all(serves)
        });
    }

    /// The app's log lines so far, as text.
    #[track_caller]
    pub fn read_log(&self, app: &str) -> String {
        let path = format!("/v1/apps/{app}/logs?n=1500");
        let reply = self.request("GET", &path, &Value::Null);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }

    /// Waits for a log line with all of these words in it.
    #[track_caller]
    pub fn wait_for_log(&self, app: &str, words: &[&str]) -> String {
        let mut found = None;
        wait_until(&format!("a log line has {words:?}"), || {
            let log = self.read_log(app);
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
    pub fn try_app_request(&self, app: &str, path: &str) -> io::Result<HttpReply> {
        let headers = [self.host(app), "Connection: close".to_owned()];
        http::send_request(self.apps, &http::encode_request("GET", path, &headers, b""))
    }

    /// Asks an app, which answers.
    #[track_caller]
    pub fn app_request(&self, app: &str, path: &str) -> HttpReply {
        self.try_app_request(app, path).unwrap()
    }

    /// What an app says with status 200.
    #[track_caller]
    pub fn app_page(&self, app: &str, path: &str) -> String {
        let reply = self.app_request(app, path);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text()
    }

    /// The value of an environment variable of an app, which must be `good` or `good3`.
    #[track_caller]
    pub fn app_variable(&self, app: &str, name: &str) -> String {
        self.app_page(app, &format!("/env/{name}"))
    }

    /// A new connection to the port of the apps.
    pub fn connect_to_apps(&self) -> TcpStream {
        http::connect(self.apps).unwrap()
    }

    /// SIGTERM, and the end.
    pub fn stop(self) -> ExitStatus {
        self.process.send_signal("TERM");
        self.process.wait_for_exit()
    }

    /// SIGKILL, and the end.
    pub fn kill(self) {
        self.process.send_signal("KILL");
        self.process.wait_for_exit();
    }
}

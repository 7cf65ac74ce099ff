//! The rig: a home and a data folder that outlive any number of servers, and a server in them.
//!
//! Every server listens on ports that were free; none outlives its test.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::folder::Home;
use crate::http::{self, items, text};
use crate::support::{Local, PATIENCE, Reply, guest, root};

/// Between two looks at something that is to change.
const LOOK: Duration = Duration::from_millis(10);

/// What is there before and after a server.
pub struct Rig {
    home: Home,
    token: OnceLock<String>,
}

/// A slug's file.
pub struct Slug {
    pub id: String,
    pub bytes: Vec<u8>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Rig {
    pub fn new() -> Rig {
        Rig {
            home: Home::new(),
            token: OnceLock::new(),
        }
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The server's state.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("server/data")
    }

    /// A place for a test's own files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `dyno serve` on free ports; `data` and `flags` follow.
    pub fn command(&self, data: &Path, flags: &[&str]) -> Command {
        let mut command = self.home.dyno();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(flags);
        command
    }

    /// A server that answers.
    pub fn start(&self) -> Server<'_> {
        self.start_with(&[])
    }

    /// A server with these flags that answers.
    pub fn start_with(&self, flags: &[&str]) -> Server<'_> {
        self.run(&mut self.command(&self.data(), flags))
    }

    /// The server that a command is.
    pub fn run(&self, command: &mut Command) -> Server<'_> {
        let process = Local::spawn_with(command);
        let port = |name: &str| {
            let line = process.wait_for(name, |line| line.trim_start().starts_with(name));
            let port = line.rsplit(':').next().unwrap().trim_end_matches('/');
            port.parse().unwrap()
        };
        let (apps, api) = (port("Apps http://"), port("API http://"));
        self.token.get_or_init(|| {
            let line = process.wait_for("the token", |line| line.starts_with("admin token: "));
            line.rsplit(' ').next().unwrap().to_owned()
        });
        let server = Server {
            rig: self,
            process,
            apps,
            api,
        };
        server.wait_for_api();
        server
    }

    /// The first token.
    pub fn token(&self) -> &str {
        self.token.get().unwrap()
    }

    /// A folder that is an app: a test guest and a text.
    pub fn app(&self, component: &Path, note: &str) -> PathBuf {
        let name = component.file_stem().unwrap().to_str().unwrap();
        let folder = self.path(&format!("apps/{name}-{note}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(component, folder.join("app.wasm")).unwrap();
        fs::write(folder.join("Procfile"), "web: app.wasm\n").unwrap();
        fs::write(folder.join("note.txt"), note).unwrap();
        folder
    }

    /// The slug of a test guest and a text.
    pub fn slug(&self, name: &str, note: &str) -> Slug {
        self.slug_of(&guest(name), note)
    }

    /// The slug of a component and a text.
    pub fn slug_of(&self, component: &Path, note: &str) -> Slug {
        let folder = self.app(component, note);
        let file = folder.with_extension("slug");
        let mut build = self.home.dyno();
        build.arg("build").arg(&folder).arg("--json");
        let said = say(build.arg("-o").arg(&file));
        let id = text(&said.json(), "id").to_owned();
        Slug {
            id,
            bytes: fs::read(&file).unwrap(),
        }
    }

    /// A component that is written as text.
    pub fn wat(&self, name: &str) -> PathBuf {
        let folder = root().join("runtime/dyno/tests/guests/wat");
        let bytes = wat::parse_file(folder.join(format!("{name}.wat"))).unwrap();
        let file = self.path(&format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        file
    }
}

impl Slug {
    /// As it is named in a path of the API.
    pub fn hex(&self) -> &str {
        self.id.strip_prefix("sha256:").unwrap()
    }
}

/// Runs a command to its end.
pub fn say(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// What it printed, having succeeded.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        &self.out
    }

    /// What it printed as JSON, having succeeded.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What it said on stderr, having failed.
    #[track_caller]
    pub fn fails(&self) -> &str {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        assert!(self.err.contains("error: "), "{}", self.err);
        &self.err
    }
}

/// A running `dyno serve`.
pub struct Server<'a> {
    rig: &'a Rig,
    pub process: Local,
    /// The port of the apps.
    pub apps: u16,
    /// The port of the API.
    pub api: u16,
}

impl Server<'_> {
    fn wait_for_api(&self) {
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
        let mut command = self.rig.home.dyno();
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

/// Waits for something to become true.
#[track_caller]
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "it never happens that {what}");
        thread::sleep(LOOK);
    }
}

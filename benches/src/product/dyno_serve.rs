//! `dyno serve` under measurement: a server with an API, apps and their logs.
//!
//! Owns the process and its data folder, which are removed together. Uses the same API requests as the product's own
//! commands; the numbers come from `/metrics`.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::client::{BenchClient, HttpAnswer, request};
use crate::product::binary::MeasuredBinary;
use crate::product::child_server::{ChildServer, ChildServerStart, LogTarget, free_port};

/// Text before the token, in the line that shows it.
const TOKEN: &str = "admin token: ";
/// The longest wait for the line with the token, after the API answers.
const TOKEN_MAX: Duration = Duration::from_secs(10);
/// The longest wait until a release serves.
const RELEASE_MAX: Duration = Duration::from_secs(60);
/// The pause between two readings of the server's metrics.
const LOOK: Duration = Duration::from_millis(20);
/// The longest wait for the last lines of a log.
const LOG_END: Duration = Duration::from_secs(1);
/// The longest wait until a new log reader is counted.
const READER_MAX: Duration = Duration::from_secs(10);
/// The metric that counts the readers of logs.
const READERS: &str = "dyno_log_readers";
/// Media type of a slug.
const SLUG_TYPE: &str = "Content-Type: application/vnd.dyno.slug.v1+tar.zstd";
const JSON_TYPE: &str = "Content-Type: application/json";

/// A server that runs.
#[derive(Debug)]
pub(crate) struct DynoServe {
    pub(crate) server: ChildServer,
    /// The address of apps.
    pub(crate) apps: SocketAddr,
    token: String,
    api: Mutex<BenchClient>,
    /// The program, for commands that speak to the server.
    binary: PathBuf,
    data: TempDir,
}

/// A slug and its name.
#[derive(Debug)]
pub(crate) struct SlugFile {
    /// The id of the slug: `sha256:` and 64 digits.
    id: String,
    pub(crate) file: PathBuf,
    bytes: Vec<u8>,
}

impl DynoServe {
    /// Starts `dyno serve` with further `flags`, and returns when its API answers. Its ports were free a moment ago.
    pub(crate) fn start(product: &MeasuredBinary, flags: &[&str]) -> Result<DynoServe> {
        let data = tempfile::tempdir().context("cannot make a folder for the server's data")?;
        let (apps, api) = (free_port()?, free_port()?);
        let mut command = product.command();
        let folder = |name: &str| data.path().join(name);
        command
            .env("XDG_CONFIG_HOME", folder("config"))
            .env("XDG_DATA_HOME", folder("share"))
            .args(["serve", "--listen", &format!("127.0.0.1:{apps}")])
            .args(["--api", &format!("127.0.0.1:{api}"), "--data"])
            .arg(folder("data"))
            .args(flags);
        let start = ChildServerStart {
            port: api,
            log: LogTarget::Kept(TOKEN),
            errors: &folder("errors"),
            probe: "/healthz",
        };
        let server = ChildServer::start(command, &start)?;
        let lines = server.lines_when(TOKEN_MAX, |lines| !lines.is_empty())?;
        let token = lines.first().and_then(|line| line.strip_prefix(TOKEN));
        let token = token.context("the server printed no token")?.to_owned();
        Ok(DynoServe {
            api: Mutex::new(BenchClient::new(server.address)),
            server,
            apps: (Ipv4Addr::LOCALHOST, apps).into(),
            token,
            binary: product.binary().to_owned(),
            data,
        })
    }

    /// Sends a request to the API. Returns the answer as JSON.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = self.ask(method, path, JSON_TYPE, body.as_bytes())?;
        serde_json::from_slice(&answer.body)
            .with_context(|| format!("{method} {path} is not answered with JSON"))
    }

    fn ask(&self, method: &str, path: &str, media: &str, body: &[u8]) -> Result<HttpAnswer> {
        let token = format!("Authorization: Bearer {}", self.token);
        let bytes = request(method, "api.localhost", path, &[&token, media], body);
        let mut client = self.api.lock().unwrap_or_else(PoisonError::into_inner);
        // The server may have closed an idle connection; the second attempt uses a fresh one.
        let answer = client.ask(&bytes).or_else(|_| client.ask(&bytes));
        let answer = answer.with_context(|| format!("{method} {path}"))?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {path} is answered with {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(answer)
    }

    /// Uploads a slug to the server.
    pub(crate) fn upload(&self, slug: &SlugFile) -> Result<()> {
        let hex = slug.id.trim_start_matches("sha256:");
        let path = format!("/v1/slugs/{hex}");
        self.ask("PUT", &path, SLUG_TYPE, &slug.bytes).map(drop)
    }

    /// Makes an app.
    pub(crate) fn create(&self, app: &str) -> Result<()> {
        self.api("POST", "/v1/apps", &json!({ "name": app }))
            .map(drop)
    }

    /// Makes a release of an uploaded slug. Returns its version.
    pub(crate) fn release(&self, app: &str, slug: &SlugFile) -> Result<String> {
        let path = format!("/v1/apps/{app}/releases");
        let made = self.api("POST", &path, &json!({ "slug": slug.id }))?;
        let version = made["version"].as_str();
        version.map(str::to_owned).context("a release has a number")
    }

    /// Waits until a release serves.
    pub(crate) fn until_serving(&self, app: &str, version: &str) -> Result<()> {
        let path = format!("/v1/apps/{app}/releases/{version}?wait=30");
        let deadline = Instant::now() + RELEASE_MAX;
        loop {
            let release = self.api("GET", &path, &Value::Null)?;
            match release["status"].as_str() {
                Some("serving") => return Ok(()),
                Some("pending") if Instant::now() < deadline => {}
                status => bail!(
                    "the release {version} of {app} does not serve: it is {}, for {}",
                    status.unwrap_or("lost"),
                    release["reason"]
                        .as_str()
                        .unwrap_or("no reason that is told")
                ),
            }
        }
    }

    /// Makes an app that serves an uploaded slug.
    pub(crate) fn deploy(&self, app: &str, slug: &SlugFile) -> Result<()> {
        self.create(app)?;
        let version = self.release(app, slug)?;
        self.until_serving(app, &version)
    }

    /// Sets the number of web dynos, without waiting for them.
    pub(crate) fn scale(&self, app: &str, dynos: u32) -> Result<()> {
        let path = format!("/v1/apps/{app}/formation");
        let update = json!({ "updates": [{ "type": "web", "quantity": dynos }] });
        self.api("PATCH", &path, &update).map(drop)
    }

    /// Changes settings of an app.
    pub(crate) fn set(&self, app: &str, changes: &Value) -> Result<()> {
        let path = format!("/v1/apps/{app}");
        self.api("PATCH", &path, changes).map(drop)
    }

    /// The server's metrics now.
    pub(crate) fn numbers(&self) -> Result<MetricValues> {
        let answer = self.ask("GET", "/metrics", JSON_TYPE, b"")?;
        Ok(MetricValues(String::from_utf8(answer.body)?))
    }

    /// Waits until the server's metrics fulfil a condition.
    pub(crate) fn until(
        &self,
        patience: Duration,
        what: &str,
        so: impl Fn(&MetricValues) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let numbers = self.numbers()?;
            if so(&numbers) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "it does not come to {what} within {} s: {}",
                patience.as_secs(),
                numbers.states()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// The command `dyno` with these arguments, directed at this server. Not started yet.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(words)
            .env("NO_COLOR", "1")
            .env("XDG_CONFIG_HOME", self.data.path().join("config"))
            .env("DYNO_SERVER", format!("http://{}", self.server.address))
            .env("DYNO_TOKEN", &self.token)
            .env_remove("DYNO_APP")
            .current_dir(self.data.path())
            .stdin(Stdio::null());
        command
    }

    /// Follows the platform's log lines about an app, with `dyno logs -t`.
    pub(crate) fn follow(&self, app: &str) -> Result<LogFollower> {
        let readers = self.numbers()?.value(READERS);
        let mut command = self.command(&["logs", "-t", "-n", "0", "--source", "dyno", "-a", app]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start dyno logs")?;
        let output = child.stdout.take().context("a pipe was asked for")?;
        let lines = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            lines.map_while(Result::ok).collect()
        });
        let lines = Some(lines);
        let follower = LogFollower { child, lines };
        self.until(READER_MAX, "a reader of the log more", |numbers| {
            numbers.value(READERS) > readers
        })?;
        Ok(follower)
    }

    /// All lines of the log, after a short wait for the last ones.
    pub(crate) fn followed(&self, mut follower: LogFollower) -> Result<Vec<String>> {
        std::thread::sleep(LOG_END);
        let readers = self.numbers()?.value(READERS);
        follower.stop();
        let lines = follower.lines.take().map(JoinHandle::join);
        // The next follower is recognised by the number of log readers, so wait until this one is no longer counted.
        self.until(READER_MAX, "a reader of the log less", |numbers| {
            numbers.value(READERS) < readers
        })?;
        match lines {
            Some(Ok(lines)) => Ok(lines),
            _ => bail!("the log's reader broke off"),
        }
    }
}

/// A running `dyno logs -t`. The process ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct LogFollower {
    child: Child,
    lines: Option<JoinHandle<Vec<String>>>,
}

impl LogFollower {
    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for LogFollower {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The text of `/metrics`.
#[derive(Debug)]
pub(crate) struct MetricValues(String);

impl MetricValues {
    /// The value of a series by its whole name, labels included; 0 if there is none.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let of = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
        self.0.lines().find_map(of).unwrap_or(0.0)
    }

    /// Dynos in a state, such as `up` or `idle`.
    pub(crate) fn dynos(&self, state: &str) -> f64 {
        self.value(&format!("dyno_dynos{{state=\"{state}\"}}"))
    }

    /// The number of dynos in each state, for people.
    pub(crate) fn states(&self) -> String {
        let lines = self.0.lines().filter(|line| {
            line.starts_with("dyno_dynos{") || line.starts_with("dyno_router_dynos_")
        });
        lines.collect::<Vec<_>>().join(", ")
    }
}

impl SlugFile {
    /// Makes the product build a slug from a component and a file with the given text.
    pub(crate) fn pack(
        product: &MeasuredBinary,
        name: &str,
        component: &Path,
        text: &str,
    ) -> Result<SlugFile> {
        let folder = product.file(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(component, folder.join("app.wasm"))
            .with_context(|| format!("cannot copy {}", component.display()))?;
        std::fs::write(folder.join("Procfile"), "web: app.wasm\n")?;
        std::fs::write(folder.join("note.txt"), text)?;
        SlugFile::build(product, &folder)
    }

    /// Makes the product build the app in a folder. The slug is written beside the folder.
    pub(crate) fn build(product: &MeasuredBinary, folder: &Path) -> Result<SlugFile> {
        SlugFile::build_by(product.command(), folder)
    }

    /// The same with a command of the product that has an environment of its own.
    pub(crate) fn build_by(mut command: Command, folder: &Path) -> Result<SlugFile> {
        let file = folder.with_extension("slug");
        command.arg("build").arg(folder).arg("--json");
        let built = command.arg("-o").arg(&file).output();
        let built = built.context("cannot start dyno build")?;
        ensure!(
            built.status.success(),
            "dyno build failed:\n{}",
            String::from_utf8_lossy(&built.stderr).trim()
        );
        let said: Value = serde_json::from_slice(&built.stdout)?;
        Ok(SlugFile {
            id: said["id"].as_str().context("a slug has an id")?.to_owned(),
            bytes: std::fs::read(&file)?,
            file,
        })
    }

    /// The size of the slug, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_full_name() {
        let text = "# TYPE dyno_dynos gauge\ndyno_dynos{state=\"up\"} 12\ndyno_apps 3\n";
        let numbers = MetricValues(text.to_owned());
        assert_eq!(numbers.dynos("up"), 12.0);
        assert_eq!(numbers.dynos("idle"), 0.0);
        assert_eq!(numbers.value("dyno_apps"), 3.0);
        assert_eq!(numbers.states(), "dyno_dynos{state=\"up\"} 12");
    }
}

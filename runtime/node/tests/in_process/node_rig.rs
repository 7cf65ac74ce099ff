//! A node of a test: its folder, its runtime, and clients for its two ports.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node::{
    NodeEvent, NodeLogLine, NodeLogWriter, NodeObserver, ObserverError, RunningNode,
    ServerSettings, SpawnError,
};
use serde_json::json;
use testkit::http::{HttpReply, encode_request, send_request};
use testkit::{guest_path, wait_until};
use tokio::runtime::Runtime;

/// Grace time for a drain in tests, where no request is running.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Records the first tokens and the log lines of nodes.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    tokens: Arc<Mutex<Vec<String>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(crate) fn log_lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }
}

impl NodeObserver for Recorder {
    fn on_event(&self, _event: NodeEvent) {}

    fn show_first_token(&self, secret: &str, _api: SocketAddr) -> Result<(), ObserverError> {
        let mut tokens = self.tokens.lock().expect("no panic");
        tokens.push(secret.to_owned());
        Ok(())
    }
}

impl NodeLogWriter for Recorder {
    fn write_line(&mut self, line: NodeLogLine) {
        self.lines.lock().expect("no panic").push(line.text);
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A node in this process, with its own data folder.
pub(crate) struct NodeRig {
    folder: tempfile::TempDir,
    recorder: Recorder,
    runtime: Runtime,
    node: RunningNode,
}

impl NodeRig {
    pub(crate) fn start() -> NodeRig {
        let folder = tempfile::tempdir().expect("a folder");
        NodeRig::start_in(folder, Recorder::default())
    }

    fn start_in(folder: tempfile::TempDir, recorder: Recorder) -> NodeRig {
        let runtime = node::new_runtime().expect("a runtime");
        let node = runtime.block_on(spawn(&data_folder(&folder), &recorder));
        let rig = NodeRig {
            node: node.expect("a node"),
            folder,
            recorder,
            runtime,
        };
        let is_ready = || rig.api_with_token("", "/readyz").status == 200;
        wait_until("the node is ready", is_ready);
        rig
    }

    /// Tries to start a second node on this node's folder.
    pub(crate) fn spawn_on_same_folder(&self) -> Result<RunningNode, SpawnError> {
        let data = data_folder(&self.folder);
        self.runtime.block_on(spawn(&data, &self.recorder))
    }

    pub(crate) fn token(&self) -> String {
        let tokens = self.recorder.tokens.lock().expect("no panic");
        tokens.first().expect("a first token").clone()
    }

    pub(crate) fn first_tokens(&self) -> usize {
        self.recorder.tokens.lock().expect("no panic").len()
    }

    pub(crate) fn app_port(&self) -> u16 {
        self.node.app_address().port()
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.node.api_address().expect("an API").port()
    }

    /// Deploys a guest as an app, and waits until it serves.
    pub(crate) fn deploy(&self, app: &str, guest: &str) {
        let slug = pack_guest(&guest_path(guest), self.folder.path());
        let id = slug.slug.id().to_string();
        let bytes = std::fs::read(&slug.file).expect("a slug");
        let media_type = format!("Content-Type: {}", slugs::MEDIA_TYPE);
        let hex = id.trim_start_matches("sha256:");
        let reply = self.api("PUT", &format!("/v1/slugs/{hex}"), &media_type, &bytes);
        assert!((200..300).contains(&reply.status), "{}", reply.text());
        self.post("/v1/apps", &json!({ "name": app }));
        let release = json!({ "slug": id, "description": "Deploy" });
        self.post(&format!("/v1/apps/{app}/releases"), &release);
        wait_until("the release serves", || self.get(app, "/").status == 200);
    }

    /// Requests a page of an app from the router.
    pub(crate) fn get(&self, app: &str, path: &str) -> HttpReply {
        get(self.app_port(), &format!("{app}.localhost"), path)
    }

    /// Sends a request to the API, with a token.
    pub(crate) fn api_with_token(&self, token: impl AsRef<str>, path: &str) -> HttpReply {
        let headers = [
            "Host: localhost".to_owned(),
            "Connection: close".to_owned(),
            format!("Authorization: Bearer {}", token.as_ref()),
        ];
        let request = encode_request("GET", path, &headers, b"");
        send_request(self.api_port(), &request).unwrap_or_default()
    }

    fn post(&self, path: &str, body: &serde_json::Value) {
        let body = body.to_string();
        let reply = self.api(
            "POST",
            path,
            "Content-Type: application/json",
            body.as_bytes(),
        );
        assert!((200..300).contains(&reply.status), "{}", reply.text());
    }

    fn api(&self, method: &str, path: &str, header: &str, body: &[u8]) -> HttpReply {
        let headers = [
            "Host: localhost".to_owned(),
            "Connection: close".to_owned(),
            format!("Authorization: Bearer {}", self.token()),
            header.to_owned(),
        ];
        let request = encode_request(method, path, &headers, body);
        send_request(self.api_port(), &request).expect("a reply")
    }

    /// Drains the node, ends its runtime, and returns the folder.
    pub(crate) fn drain(mut self) -> tempfile::TempDir {
        self.runtime.block_on(self.node.drain());
        drop(self.runtime);
        self.node.finish();
        self.folder
    }

    pub(crate) fn restart(self) -> NodeRig {
        let recorder = self.recorder.clone();
        NodeRig::start_in(self.drain(), recorder)
    }
}

async fn spawn(data: &Path, recorder: &Recorder) -> Result<RunningNode, SpawnError> {
    let any_port = "127.0.0.1:0".parse().ok();
    let settings = ServerSettings {
        data_folder: Some(data.to_owned()),
        listen: any_port,
        api: any_port,
        drain_grace: Some(DRAIN_GRACE),
        ..ServerSettings::default()
    };
    let config = settings.build().expect("sound settings");
    RunningNode::spawn(config, compile_command(), Arc::new(recorder.clone())).await
}

fn data_folder(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("data")
}

/// The program that compiles for nodes of tests.
pub(crate) fn compile_command() -> Vec<OsString> {
    vec![env!("CARGO_BIN_EXE_node-compile-child").into()]
}

/// Compiled code that nodes of one app share between tests.
pub(crate) fn compiled_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-compiled")
}

/// Packs a component as an app's slug.
pub(crate) fn pack_guest(component: &Path, folder: &Path) -> slugs::pack::PackedSlug {
    let built = slugs::build::ready_made(component).expect("a component");
    slugs::pack::pack(&built, &folder.join("app.slug")).expect("a slug")
}

/// Requests a page from a router.
pub(crate) fn get(port: u16, host: &str, path: &str) -> HttpReply {
    let headers = [format!("Host: {host}"), "Connection: close".to_owned()];
    let request = encode_request("GET", path, &headers, b"");
    send_request(port, &request).unwrap_or_default()
}

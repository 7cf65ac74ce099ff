//! Operating a server: stop, inspection, backup, and an accidental second start.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testkit::{DynoProcess, HttpReply, Server, ServerRig, run_command, wait_until};

const APP: &str = "shop";
/// Body size above the limit that the router reads before it takes a dyno.
const BODY_BYTES: usize = 100_000;

/// A request that occupies its dyno until the rest of the body is sent.
struct Held {
    stream: TcpStream,
    got: Vec<u8>,
}

impl Held {
    fn begin(server: &Server<'_>) -> Held {
        let mut stream = server.connect_to_apps();
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: {APP}.localhost\r\nConnection: close\r\n\
             Content-Length: {BODY_BYTES}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[b'x'; BODY_BYTES - 1]).unwrap();
        let mut got = vec![0; 12];
        stream.read_exact(&mut got).unwrap();
        Held { stream, got }
    }

    fn finish(mut self) -> HttpReply {
        self.stream.write_all(b"x").unwrap();
        self.stream.read_to_end(&mut self.got).unwrap();
        HttpReply::parse(&self.got)
    }
}

fn refuses_connections(port: u16) {
    wait_until("new connections are refused", || {
        let refused = TcpStream::connect(("127.0.0.1", port));
        refused.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
}

#[test]
fn sigterm_lets_running_requests_finish() {
    let rig = ServerRig::new();
    let server = rig.start_with_flags(&["--grace", "10m"]);
    server.create_app(APP, &rig.build_slug("good", "one"));
    server.scale(APP, 2);
    server.wait_for_dynos(APP, 2);
    let held = Held::begin(&server);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.app_request(APP, "/sleep?ms=2000"));
        wait_until("the other dyno is at work", || {
            number(&server, "dyno_router_dynos_busy") >= 2 || slow.is_finished()
        });
        server.process.send_signal("TERM");
        refuses_connections(server.apps);
        assert_eq!(slow.join().unwrap().status, 200);
    });
    let reply = held.finish();
    assert_eq!((reply.status, reply.complete), (200, true));
    assert_eq!(reply.body.len(), BODY_BYTES);
    assert_eq!(server.process.wait_for_exit().code(), Some(0));
    rig.home().assert_no_process();
}

#[test]
fn a_second_sigterm_ends_the_server_at_once() {
    let rig = ServerRig::new();
    // Longer than the test may run.
    let server = rig.start_with_flags(&["--grace", "10m"]);
    server.create_app(APP, &rig.build_slug("good", "one"));
    let held = Held::begin(&server);
    server.process.send_signal("TERM");
    refuses_connections(server.apps);
    server.process.send_signal("TERM");
    server.process.wait_for_exit();
    drop(held);
    rig.home().assert_no_process();
    // No data is lost.
    let server = rig.start();
    server.wait_until_ready();
    server.app_page(APP, "/");
    assert!(server.stop().success());
}

/// The value of one of the server's metrics.
pub(crate) fn number(server: &Server<'_>, name: &str) -> u64 {
    let text = server.request_without_token("GET", "/metrics").text();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse().unwrap()
}

#[test]
fn health_readiness_and_metrics_need_no_token() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    assert_eq!(server.request_without_token("GET", "/healthz").status, 200);
    server.wait_until_ready();
    assert_eq!(
        server.request_without_token("GET", "/readyz").json()["ready"],
        true
    );
    for _ in 0..7 {
        server.app_page(APP, "/");
    }
    server.app_request(APP, "/status?code=404");
    let ended = |class: &str| {
        let name = format!("dyno_router_requests_total{{status=\"{class}\"}}");
        number(&server, &name)
    };
    wait_until("all requests are counted", || {
        ended("2xx") + ended("4xx") == 8
    });
    assert_eq!(ended("4xx"), 1);
    let text = server.request_without_token("GET", "/metrics").text();
    assert!(!text.contains(APP), "whoever asks is told names: {text}");
    // All other routes need a token.
    assert_eq!(server.request_without_token("GET", "/v1/apps").status, 401);
    assert!(server.stop().success());
}

#[test]
fn a_copy_of_the_folder_is_a_backup() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let version = server.set_config_vars(APP, &json!({ "GREETING": "hi" }));
    server.wait_until_serving(APP, &version);
    assert!(server.stop().success());
    let copy = rig.path("copy");
    std::fs::create_dir(&copy).unwrap();
    for name in ["key", "ledger.db", "usage.db", "slugs"] {
        let mut cp = Command::new("cp");
        cp.arg("-a").arg(rig.data_folder().join(name)).arg(&copy);
        run_command(&mut cp).success();
    }
    // The copy does not contain later changes.
    let server = rig.start();
    let version = server.set_config_vars(APP, &json!({ "GREETING": "later" }));
    server.wait_until_serving(APP, &version);
    assert!(server.stop().success());

    let server = rig.start_command(&mut rig.serve_command(&copy, &[]));
    server.wait_until_ready();
    assert_eq!(server.app_variable(APP, "GREETING"), "hi");
    assert_eq!(server.app_variable(APP, "RELEASE_VERSION"), "v2");
    let version = server.set_config_vars(APP, &json!({ "GREETING": "anew" }));
    server.wait_until_serving(APP, &version);
    assert_eq!(server.app_variable(APP, "GREETING"), "anew");
    assert!(server.stop().success());
}

#[test]
fn a_ledger_with_a_missing_or_wrong_key_is_refused() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good3", "one"));
    assert!(server.stop().success());
    let key = rig.data_folder().join("key");
    let kept = std::fs::read(&key).unwrap();
    let refused = |why: &str| {
        let said = run_command(&mut rig.serve_command(&rig.data_folder(), &[]));
        assert!(said.failure().contains(why), "{why}: {}", said.stderr);
    };
    std::fs::remove_file(&key).unwrap();
    refused(key.to_str().unwrap());
    write_key(&key, &[7; 32]);
    refused("sealed with another key");
    write_key(&key, &kept);
    let server = rig.start();
    server.wait_until_ready();
    server.app_page(APP, "/");
    assert!(server.stop().success());
}

fn write_key(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let said = run_command(&mut rig.serve_command(&rig.data_folder(), &[]));
    let error = said.failure();
    assert!(error.contains("another server uses"), "{error}");
    assert!(
        error.contains(rig.data_folder().to_str().unwrap()),
        "{error}"
    );
    server.app_page(APP, "/");
    assert!(server.stop().success());
}

#[test]
fn a_taken_port_is_named() {
    let rig = ServerRig::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--api"] {
        let other = if flag == "--listen" {
            "--api"
        } else {
            "--listen"
        };
        let mut command = rig.home().dyno_command();
        command.args(["serve", flag, &address, other, "127.0.0.1:0", "--data"]);
        let said = run_command(command.arg(rig.data_folder()));
        let error = said.failure();
        assert!(error.contains(&address) && error.contains(flag), "{error}");
    }
}

#[test]
fn a_server_can_be_stopped_while_it_starts() {
    let rig = ServerRig::new();
    let process = DynoProcess::spawn(&mut rig.serve_command(&rig.data_folder(), &[]));
    process.wait_for_line("the start", |line| line.contains("API http://"));
    process.send_signal("TERM");
    assert_eq!(process.wait_for_exit().code(), Some(0));
    // The next server starts from the state on disk.
    let process = DynoProcess::spawn(&mut rig.serve_command(&rig.data_folder(), &[]));
    process.wait_for_line("the start", |line| line.contains("API http://"));
    assert!(process.stop().success());
}

#[test]
fn usage_is_counted_over_restarts() {
    let rig = ServerRig::new();
    let server = rig.start();
    server.create_app(APP, &rig.build_slug("good", "one"));
    let seconds = |server: &Server<'_>| {
        let usage = server.get_json(&format!("/v1/apps/{APP}/usage"));
        let items = usage["items"].as_array().unwrap();
        items
            .iter()
            .filter_map(|item| item["seconds"].as_u64())
            .sum::<u64>()
    };
    wait_until("two seconds are counted", || seconds(&server) >= 2);
    let before = seconds(&server);
    assert!(server.stop().success());
    let server = rig.start();
    assert!(seconds(&server) >= before);
    let all = server.run(&["usage", "--json"]).success_json();
    assert_ne!(all, Value::Null);
    assert!(server.stop().success());
}

//! The operator on the machine of the server: a lost token, a second server, taken ports.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use testkit::http::json_text;
use testkit::{CommandOutput, Server, ServerRig, run_command};

/// `dyno tokens create --local`, without a login.
fn create_local(rig: &ServerRig, more: &[&str]) -> CommandOutput {
    let mut command = rig.home().dyno_command();
    command
        .args(["tokens", "create", "--local", "--data"])
        .arg(rig.data_folder())
        .args(more);
    run_command(&mut command)
}

fn who(server: &Server<'_>, secret: &str) -> serde_json::Value {
    let mut command = server.command(&["whoami", "--json"]);
    run_command(command.env("DYNO_TOKEN", secret)).success_json()
}

#[test]
fn a_lost_token_can_be_replaced_with_the_server_running_or_stopped() {
    let rig = ServerRig::new();
    let server = rig.start();
    let said = create_local(&rig, &["--role", "admin"]);
    let running = said.success().trim().to_owned();
    assert!(
        running.starts_with("dyno_") && running.len() == 48,
        "{running}"
    );
    assert_eq!(json_text(&who(&server, &running), "role"), "admin");
    let audit = "created in the data folder by local user ";
    let line = server
        .process
        .wait_for_line("the token's making", |line| line.contains(audit));
    assert!(
        line.contains("role admin") && !line.contains(&running),
        "{line}"
    );
    let mode = |name: &str| {
        fs::metadata(rig.data_folder().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("local.sock") & 0o777, 0o600);
    assert!(server.stop().success());
    assert!(!rig.data_folder().join("local.sock").exists());

    let more = [
        "--role", "deploy", "--app", "shop", "--name", "ci", "--json",
    ];
    let made = create_local(&rig, &more).success_json();
    for (name, value) in [("name", "ci"), ("role", "deploy"), ("app", "shop")] {
        assert_eq!(json_text(&made, name), value);
    }
    let owner = fs::metadata(rig.data_folder()).unwrap().uid();
    for entry in fs::read_dir(rig.data_folder()).unwrap().flatten() {
        assert_eq!(entry.metadata().unwrap().uid(), owner, "{:?}", entry.path());
    }
    let server = rig.start();
    assert_eq!(
        json_text(&who(&server, json_text(&made, "token")), "name"),
        "ci"
    );
    assert_eq!(json_text(&who(&server, &running), "role"), "admin");
    let line = server
        .process
        .wait_for_line("the token's making", |line| line.contains(audit));
    assert!(line.contains("while the server was stopped"), "{line}");
    server.kill();

    // The stale socket of a killed server is no obstacle.
    assert!(rig.data_folder().join("local.sock").exists());
    let last = create_local(&rig, &["--role", "read"])
        .success()
        .trim()
        .to_owned();
    let server = rig.start();
    assert_eq!(json_text(&who(&server, &last), "role"), "read");
    let refused = create_local(&rig, &["--role", "read", "--name", "a\u{7}b"]);
    assert!(
        refused.failure().contains("visible characters"),
        "{}",
        refused.stderr
    );
    assert!(server.stop().success());
}

#[test]
fn creating_a_token_locally_needs_a_readable_data_folder() {
    let rig = ServerRig::new();
    let said = create_local(&rig, &["--role", "admin"]);
    assert!(
        said.failure().contains("holds no server's data"),
        "{}",
        said.stderr
    );
    assert!(!rig.data_folder().exists(), "nothing is made");
    let mut usage = rig.home().dyno_command();
    let said = run_command(usage.args(["tokens", "create", "--role", "read", "--data", "/x"]));
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(rig.start().stop().success());
    if fs::metadata(rig.data_folder()).unwrap().uid() != 0 {
        return;
    }
    // The data belongs to root, and another user runs the command.
    let dyno = rig.home().dyno_command();
    let mut other = Command::new("setpriv");
    other
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(dyno.get_program())
        .args(["tokens", "create", "--role", "admin", "--local", "--data"])
        .arg(rig.data_folder());
    let said = run_command(&mut other);
    // The other user may not be able to execute the program.
    assert_ne!(said.code, Some(0));
    assert!(!said.stdout.contains("dyno_"), "{}", said.stdout);
}

#[test]
fn commands_keep_their_server_when_a_second_server_starts() {
    let rig = ServerRig::new();
    let first = rig.start();
    let own = format!("http://127.0.0.1:{}", first.api);
    let second = rig.start_command(&mut rig.serve_command(&rig.path("second"), &[]));
    let other = format!("http://127.0.0.1:{}", second.api);
    let line = second
        .process
        .wait_for_line("which server commands go to", |line| {
            line.contains(&format!("commands still go to {own}"))
        });
    assert!(line.contains(&format!("dyno login {other}")), "{line}");
    let plain = |words: &[&str]| run_command(rig.home().dyno_command().args(words));
    let said = plain(&["whoami"]);
    assert!(said.success().contains(&own), "{}", said.stdout);
    let said = plain(&["whoami", "--server", &other]);
    assert!(
        said.success().contains(&other),
        "its token is kept all the same"
    );
    assert!(second.stop().success());
    // A later start writes no login, and prints the same line.
    let second = rig.start_command(&mut rig.serve_command(&rig.path("second"), &[]));
    second
        .process
        .wait_for_line("which server commands go to", |line| {
            line.contains(&format!("commands go to {own}"))
        });
    assert!(second.stop().success());
    assert!(first.stop().success());
}

#[test]
fn commands_find_a_server_that_listens_on_every_address() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let rig = ServerRig::new();
        let mut command = rig.home().dyno_command();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--api", address])
            .arg("--data")
            .arg(rig.data_folder());
        let server = rig.start_command(&mut command);
        let said = run_command(rig.home().dyno_command().arg("whoami"));
        let port = server.api;
        assert!(
            said.success().contains(&format!(":{port}\n")),
            "{}",
            said.stdout
        );
        let lines = server.process.lines().join("\n");
        assert!(
            lines.contains("at every address of this machine"),
            "{lines}"
        );
        assert!(server.stop().success());
    }
}

#[test]
fn dns_rebinding_is_refused_and_a_proxys_name_is_a_setting() {
    let rig = ServerRig::new();
    let server = rig.start_with_flags(&["--api-domain", "deploy.example.com"]);
    let ask = |host: &str| {
        let headers = [format!("Host: {host}"), "Connection: close".to_owned()];
        let request = testkit::http::encode_request("GET", "/metrics", &headers, b"");
        testkit::http::send_request(server.api, &request).unwrap()
    };
    let reply = ask("evil.example");
    assert_eq!(reply.status, 421);
    assert!(
        reply.text().contains("--api-domain evil.example"),
        "{}",
        reply.text()
    );
    for own in [
        "deploy.example.com",
        "localhost:1",
        "127.0.0.1",
        "api.localhost",
    ] {
        assert_eq!(ask(own).status, 200, "{own}");
    }
    assert!(server.stop().success());
}

#[test]
fn the_error_for_a_taken_port_names_the_flag() {
    let rig = ServerRig::new();
    let server = rig.start();
    for (flag, port) in [("--listen", server.apps), ("--api", server.api)] {
        let address = format!("127.0.0.1:{port}");
        let mut command = rig.home().dyno_command();
        let other = if flag == "--listen" {
            "--api"
        } else {
            "--listen"
        };
        command
            .args(["serve", flag, &address, other, "127.0.0.1:0", "--data"])
            .arg(rig.path("second"));
        let said = run_command(&mut command);
        assert!(
            said.failure().contains(&address) && said.stderr.contains(flag),
            "{}",
            said.stderr
        );
    }
    assert!(server.stop().success());
}

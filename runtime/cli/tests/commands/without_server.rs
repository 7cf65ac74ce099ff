//! Commands that call a server, where no server answers, or the server refuses the login.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use testkit::dyno_command;

use crate::command_folder::{Done, Place};

/// One of each kind.
const COMMANDS: [&[&str]; 12] = [
    &["whoami"],
    &["apps"],
    &["apps", "create", "shop"],
    &["deploy", "-a", "shop"],
    &["releases", "-a", "shop"],
    &["rollback", "-a", "shop"],
    &["ps", "-a", "shop"],
    &["config", "-a", "shop"],
    &["logs", "-a", "shop"],
    &["usage"],
    &["slugs"],
    &["tokens"],
];

/// An address where nothing listens: a port that was free a moment ago.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Answers every connection with these bytes.
fn server(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 16_384]);
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Write);
            // What is left unread would break the answer off.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Runs with a configuration in the place, a token and something on stdin.
fn run(place: &Place, args: &[&str], token: Option<&str>, stdin: &str) -> Done {
    let mut command = dyno_command();
    command.args(args).current_dir(place.path("."));
    command.env("XDG_CONFIG_HOME", place.path("config"));
    if let Some(token) = token {
        command.env("DYNO_TOKEN", token);
    }
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn without_a_login_commands_explain_how_to_log_in() {
    let place = Place::new();
    for command in COMMANDS {
        let error = place.run(command).failed();
        assert!(error.contains("no server is known"), "{command:?}: {error}");
        assert!(
            error.contains("`dyno serve`") && error.contains("`dyno login URL`"),
            "{error}"
        );
        let server = [command, &["--server", "http://127.0.0.1:9"]].concat();
        let error = place.run(&server).failed();
        assert!(
            error.contains("run `dyno login http://127.0.0.1:9`"),
            "{error}"
        );
    }
    let error = place.run(&["logout"]).failed();
    assert!(error.contains("no server is known"), "{error}");
}

#[test]
fn an_unreachable_server_is_named() {
    let place = Place::new();
    let url = format!("http://{}", nowhere());
    for command in COMMANDS {
        let args = [command, &["--server", &url]].concat();
        let error = run(&place, &args, Some("dyno_x"), "").failed();
        assert!(
            error.contains(&format!("nothing listens at {url}")),
            "{command:?}: {error}"
        );
        assert!(error.contains("`dyno serve`"), "{error}");
    }
    let mut command = dyno_command();
    command
        .env("DYNO_SERVER", &url)
        .env("DYNO_TOKEN", "dyno_x")
        .arg("apps");
    let error = command.output().unwrap().stderr;
    assert!(String::from_utf8(error).unwrap().contains(&url));
}

#[test]
fn a_response_of_another_kind_of_server_is_recognized() {
    let place = Place::new();
    let html = http("404 Not Found", "<html>");
    let moved = http("302 Found\r\nLocation: http://127.0.0.1:9/", "");
    let noise = "220 mail.example.com ESMTP\r\n".to_owned();
    for (answer, sign) in [
        (html, "is the URL right?"),
        (moved, "is the URL right?"),
        (noise, "failed"),
    ] {
        let url = format!("http://{}", server(answer));
        for command in COMMANDS {
            let args = [command, &["--server", &url]].concat();
            let error = run(&place, &args, Some("dyno_x"), "").failed();
            assert!(
                error.contains(&url) && error.contains(sign),
                "{command:?}: {error}"
            );
        }
    }
}

#[test]
fn a_failed_login_saves_nothing() {
    let place = Place::new();
    let url = format!("http://{}", nowhere());
    let refusal = r#"{"id":"unauthorized","message":"no such token"}"#;
    let refusal = http("401 Unauthorized", refusal);
    let refusing = format!("http://{}", server(refusal));
    for (url, stdin, expected) in [
        (url.as_str(), "dyno_x\n", "nothing listens"),
        (&refusing, "dyno_x\n", "no such token"),
        (&url, "", "no token was given"),
        (&url, "two words\n", "no token was given"),
        ("http://", "dyno_x", "is not a server's URL"),
        (
            "http://me:secret@127.0.0.1",
            "dyno_x",
            "is not a server's URL",
        ),
    ] {
        let error = run(&place, &["login", url], None, stdin).failed();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(
            !error.contains("dyno_x") && !error.contains("secret"),
            "{error}"
        );
    }
    assert!(!place.path("config").exists());
}

#[test]
fn a_login_is_stored_privately_and_removed_by_logout() {
    let place = Place::new();
    let account = http("200 OK", r#"{"name":"ci","role":"deploy","app":null}"#);
    let url = format!("http://{}", server(account));
    let done = run(&place, &["login", &url], None, "  dyno_secret\n");
    assert!(
        done.err.contains("ci (role deploy)") && !done.err.contains("secret"),
        "{done:?}"
    );
    assert_eq!(done.ok(), "");
    let file = place.path("config/dyno/credentials.toml");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(fs::read_to_string(&file).unwrap().contains("dyno_secret"));
    let who = run(&place, &["whoami"], None, "").ok();
    assert_eq!(who, format!("ci (role deploy) at {url}\n"));
    run(&place, &["logout"], None, "").ok();
    assert!(!fs::read_to_string(&file).unwrap().contains("dyno_secret"));
    let error = run(&place, &["whoami"], None, "").failed();
    assert!(error.contains("no server is known"), "{error}");
}

#[test]
fn the_app_name_is_taken_from_flag_variable_file_or_folder() {
    let place = Place::new();
    let url = format!("http://{}", nowhere());
    let ask = |variable: &str| {
        let mut command = dyno_command();
        command
            .args(["ps", "--server", &url])
            .current_dir(place.path("."));
        command
            .env("DYNO_APP", variable)
            .env("DYNO_TOKEN", "dyno_x");
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    place.write("dyno.toml", "name = \"UPPER\"\n");
    assert!(ask("").contains("dyno.toml"), "the file is read");
    assert!(
        ask("Shop!").contains("in DYNO_APP"),
        "the variable wins over the file"
    );
    assert!(ask("shop").contains("nothing listens"));
    place.write("dyno.toml", "name = \"shop\"\n");
    assert!(ask("").contains("nothing listens"));
}

/// `dyno … | head -1`
#[test]
fn a_closed_pipe_ends_a_command_without_an_error() {
    let place = Place::new();
    place.app("shop");
    place.run(&["build", "shop", "-o", "shop.slug"]).ok();
    for args in [
        &["slug", "inspect", "shop.slug"][..],
        &["slug", "inspect", "shop.slug", "--json"],
        &["build", "shop", "--json"],
        &["new", "--list"],
        &["completions", "bash"],
    ] {
        let mut command = dyno_command();
        command.args(args).current_dir(place.path("."));
        // Closed before the command begins: a command that is quick would find it open.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn();
        drop(command);
        let output = child.unwrap().wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}: {error}");
        assert!(
            !error.contains("error") && !error.contains("panicked"),
            "{args:?}: {error}"
        );
    }
}

//! Guests that try to escape: to files of the host, its network, its environment, and log lines of other apps.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use testkit::{DynoProcess, PATIENCE, dyno_command, guest_path};

use crate::guest_app::{Stage, folder, start};

/// All files with this name below a folder.
fn named(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(named(&entry.path(), name)),
            _ if entry.file_name() == name => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

#[test]
fn escape_fs() {
    let stage = start("escape_fs", &["web=2"]);
    let unpacked = named(&stage.run_folder(), "victim.txt");
    assert!(!unpacked.is_empty(), "the app has no file to change");
    let before: Vec<_> = unpacked
        .iter()
        .map(|file| fs::metadata(file).unwrap())
        .collect();
    for path in ["/x", "/y"] {
        let reply = stage.get(path);
        assert_eq!(reply.status, 200, "{reply:?}");
        let text = reply.text();
        let own: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("own_"))
            .collect();
        assert!(own.len() >= 2, "{text}");
        assert!(
            own.iter().all(|line| line.ends_with(": allowed")),
            "{own:?}"
        );
        let tries: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("make_") && !line.starts_with("own_"))
            .collect();
        assert!(tries.len() > 40, "{text}");
        let allowed: Vec<_> = tries
            .iter()
            .filter(|line| line.ends_with("allowed"))
            .collect();
        assert!(allowed.is_empty(), "{allowed:?}");
    }
    for (file, before) in unpacked.iter().zip(before) {
        assert_eq!(fs::read_to_string(file).unwrap(), "as it was\n");
        let now = fs::metadata(file).unwrap();
        assert_eq!(now.modified().unwrap(), before.modified().unwrap());
        assert_eq!(now.len(), before.len());
    }
    for planted in [
        "new.txt",
        "planted.txt",
        "renamed.txt",
        "linked.txt",
        "hard.txt",
        "escaped",
    ] {
        assert_eq!(named(&stage.run_folder(), planted), [] as [PathBuf; 0]);
    }
    assert!(!Path::new("/tmp/escaped").exists() && !Path::new("/escaped").exists());
    stage.ok();
    stage.ends();
}

/// The guest's report about one connection attempt.
fn reaches(stage: &Stage, what: &str, place: &str) -> String {
    let place = place
        .replace('%', "%25")
        .replace('&', "%26")
        .replace('+', "%2B");
    let reply = stage.get(&format!("/x?{what}={place}"));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.text()
}

fn refuses(stage: &Stage, what: &str, place: &str) {
    let mark = stage.line_count();
    let said = reaches(stage, what, place);
    assert!(said.starts_with("refused: "), "{what} {place}: {said}");
    if what != "url" && (place.starts_with('0') || place.starts_with("[::ffff:")) {
        // For a socket, the engine reports an address that cannot be connected to.
        return;
    }
    stage.wait_for_line_after(mark, &format!("a refusal of {what} {place}"), |line| {
        line.contains("dyno[web.1]: Outbound connection to ") && line.contains(" refused: ")
    });
}

/// Each of these addresses is closed. The log says so even if no such host exists.
const CLOSED_HOSTS: [&str; 7] = [
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "[::ffff:10.0.0.1]",
    "[fe80::1]",
];

/// 169.254.169.254 in decimal and hexadecimal notation.
const DISGUISED: [&str; 2] = ["2852039166", "0xa9fea9fe"];

#[test]
fn connect_to_closed_addresses() {
    let stage = start("connect_to", &[]);
    for host in CLOSED_HOSTS {
        refuses(&stage, "tcp", &format!("{host}:80"));
        refuses(&stage, "url", &format!("http://{host}:80/"));
    }
    stage.ends();
    // A new run, because the number of logged refusals of a dyno is limited.
    let stage = start("connect_to", &[]);
    for host in CLOSED_HOSTS
        .into_iter()
        .filter(|host| host.starts_with('1'))
    {
        refuses(&stage, "udp", &format!("{host}:53"));
    }
    for host in DISGUISED {
        let said = reaches(&stage, "url", &format!("http://{host}/"));
        assert!(said.starts_with("refused: "), "{host}: {said}");
        let said = reaches(&stage, "tcp", &format!("{host}:80"));
        assert!(said.starts_with("refused: "), "{host}: {said}");
    }
    stage.ok();
    stage.ends();
}

/// A server that answers one request with a redirect to a closed address.
fn redirecting() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().take(3) {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 4096]);
            let head = "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 4\r\n\r\n";
            let _ = client.write_all(head.as_bytes());
            let _ = client.write_all(b"away");
        }
    });
    address.to_string()
}

/// In `dyno local`, loopback is open, and all other addresses that are not public are closed.
#[test]
fn connect_to_loopback() {
    let stage = start("connect_to", &[]);
    let address = redirecting();
    let base = stage.descriptors();
    assert_eq!(reaches(&stage, "tcp", &address), "allowed: connected\n");
    // The host follows no redirects.
    let url = format!("http://{address}/");
    assert_eq!(
        reaches(&stage, "url", &url),
        "allowed: status=302 bytes=4\n"
    );
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let udp = socket.local_addr().unwrap().to_string();
    assert_eq!(reaches(&stage, "udp", &udp), "allowed: sent\n");
    assert!(reaches(&stage, "dns", "localhost").starts_with("allowed: "));
    stage.descriptors_return_to(base + 2);
    stage.ok();
    stage.ends();
}

/// A server that returns the bytes of its next connection. Answers when the last chunk of the body has arrived.
fn receiving() -> (String, Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming().take(2) {
            let mut client = client.unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 4096];
            while !got.ends_with(LAST_CHUNK) {
                match client.read(&mut buffer) {
                    Ok(bytes) if bytes > 0 => got.extend_from_slice(&buffer[..bytes]),
                    _ => break,
                }
            }
            if got.ends_with(LAST_CHUNK) {
                let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                client.write_all(answer.as_bytes()).unwrap();
            }
            sender.send(String::from_utf8(got).unwrap()).unwrap();
        }
    });
    (address.to_string(), receiver)
}

/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// The receiver of an outgoing request can tell a truncated body from a complete one.
#[test]
fn half_upload() {
    let stage = start("half_upload", &[]);
    let (address, got) = receiving();
    for (path, whole) in [("", false), ("&whole=1", true)] {
        let reply = stage.get(&format!("/x?to={address}{path}"));
        let said = reply.text();
        assert_eq!(said == "answered: 204\n", whole, "{said}");
        assert_eq!(said.starts_with("failed: "), !whole, "{said}");
        let got = got.recv_timeout(PATIENCE).unwrap();
        let head = got.split("\r\n\r\n").next().unwrap();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        assert!(got.len() > 500_000, "{} bytes are too few", got.len());
        assert_eq!(got.as_bytes().ends_with(LAST_CHUNK), whole);
    }
    stage.ok();
    stage.ends();
}

#[test]
fn env_dump() {
    let app = folder(&guest_path("env_dump"), "");
    fs::write(app.path().join(".env"), "GREETING=hello there\n").unwrap();
    let mut command = dyno_command();
    command
        .env("HOST_SECRET", "hunter2")
        .arg("local")
        .arg(app.path())
        .args(["-p", "0", "web=2"]);
    let mut local = DynoProcess::spawn(&mut command);
    let url = local.wait_for_line("the URL", |line| line.contains(" is up: http://"));
    local.port = url
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .parse()
        .unwrap();
    let stage = Stage::of(local, app);
    let mut dynos = Vec::new();
    for _ in 0..10 {
        let text = stage.get("/x").text();
        dynos.push(surroundings(&text));
    }
    dynos.sort();
    dynos.dedup();
    assert!(
        dynos.iter().all(|dyno| dyno == "web.1" || dyno == "web.2"),
        "{dynos:?}"
    );
    stage.ends();
}

/// Checks the environment of a guest, and returns the name of its dyno.
fn surroundings(text: &str) -> String {
    let mut names = Vec::new();
    let mut dyno = String::new();
    for line in text.lines() {
        let Some((name, value)) = line
            .strip_prefix("env ")
            .and_then(|line| line.split_once('='))
        else {
            continue;
        };
        names.push(name);
        match name {
            "DYNO" => dyno = value.to_owned(),
            "GREETING" => assert_eq!(value, "hello there"),
            "HOME" => assert_eq!(value, "/"),
            "TMPDIR" => assert_eq!(value, "/tmp"),
            "APP_NAME" => assert_eq!(value, "demo"),
            "RELEASE_VERSION" => assert_eq!(value, "v1"),
            _ => assert!(name == "SLUG_ID" && value.starts_with("sha256:"), "{line}"),
        }
    }
    let expected = [
        "APP_NAME",
        "DYNO",
        "GREETING",
        "HOME",
        "RELEASE_VERSION",
        "SLUG_ID",
        "TMPDIR",
    ];
    assert_eq!(names, expected, "{text}");
    assert!(
        !text.contains("hunter2") && !text.contains(env!("CARGO_MANIFEST_DIR")),
        "{text}"
    );
    dyno
}

#[test]
fn log_escape() {
    let stage = start("log_escape", &[]);
    let reply = stage.get("/x");
    assert_eq!(reply.text(), "lines=14\n");
    stage.wait_for_line("the line without an end", |line| {
        line.ends_with("no newline at the end")
    });
    let lines = stage.lines();
    let own: Vec<_> = lines
        .iter()
        .filter(|line| line.contains(" app[web.1]: "))
        .collect();
    assert_eq!(own.len(), 14, "{own:?}");
    for line in &own {
        let odd = |c: char| c.is_control() && c != '\t' || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!line.contains(odd), "{line:?}");
        // Each line starts with its source, whatever the guest writes.
        assert_eq!(line.split(' ').nth(1), Some("app[web.1]:"), "{line}");
    }
    let forged = lines
        .iter()
        .find(|line| line.starts_with("2026-11-21T19:09:12.345678"));
    assert_eq!(forged, None);
    stage.ok();
    stage.ends();
}

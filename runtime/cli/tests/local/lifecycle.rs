//! A run of `dyno local` from the first start to Ctrl-C: exits and leftover files.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use testkit::{
    DemoApp, DynoProcess, ExampleApp, HomeFolder, dyno_command, error_of, file_names,
    foreign_guest_path, guest_path,
};

/// Time limit for an exit. An idle run exits in a fraction of this time.
const SOON: Duration = Duration::from_secs(10);

fn start(home: &HomeFolder, args: &[&str]) -> DynoProcess {
    let mut command = home.dyno_command();
    DynoProcess::start(command.arg("local").args(args).args(["-p", "0"]))
}

#[test]
fn an_example_runs_in_an_empty_home_and_leaves_only_the_cache() {
    let (home, hello) = (HomeFolder::new(), ExampleApp::copy_from_repository("hello"));
    let sources = hello.file_names();
    let local = start(&home, &[hello.folder.to_str().unwrap()]);
    let reply = local.get("/");
    assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
    assert!(reply.text().contains("web.1"), "{}", reply.text());
    let lines = local.lines().join("\n");
    assert!(lines.contains("hello is up: http://localhost:"), "{lines}");
    assert!(
        lines.contains("cargo build --release --target wasm32-wasip2"),
        "{lines}"
    );
    let began = Instant::now();
    assert_eq!(local.stop().code(), Some(0));
    assert!(began.elapsed() < SOON);
    let mut allowed = sources;
    allowed.push("target".into());
    let left = hello.file_names();
    assert!(left.iter().all(|name| allowed.contains(name)), "{left:?}");
    assert_eq!(file_names(&home.cache_folder()), ["compiled", "run"]);
    home.assert_clean();
}

#[test]
fn sigint_and_sigterm_end_a_run_with_success() {
    for signal in ["INT", "TERM"] {
        let home = HomeFolder::new();
        let local = start(&home, &[guest_path("good").to_str().unwrap()]);
        assert_eq!(local.get("/").status, 200);
        local.send_signal(signal);
        assert_eq!(local.wait_for_exit().code(), Some(0), "{signal}");
        home.assert_clean();
    }
}

#[test]
fn every_state_of_a_dyno_is_logged() {
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    let line = |text: &str| {
        let text = format!("dyno[web.1]: State changed from {text}");
        local.wait_for_line(&text, |line| line.ends_with(&text));
    };
    line("down to starting");
    line("starting to up");
    local.send_signal("INT");
    line("up to stopping");
    line("stopping to down");
    assert!(local.wait_for_exit().success());
}

/// Connections with no request or an incomplete request do not delay the exit.
#[test]
fn idle_connections_do_not_delay_the_exit() {
    let beginnings: [&[u8]; 4] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n",
        b"GET / HT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    let _open = beginnings.map(|bytes| {
        let mut stream = local.connect();
        stream.write_all(bytes).unwrap();
        stream
    });
    local.wait_for_router_line("/");
    let began = Instant::now();
    assert_eq!(local.stop().code(), Some(0));
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_running_request_ends_with_h24() {
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    let mut stream = local.connect();
    stream
        .write_all(b"GET /sleep?ms=60000 HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    local.send_signal("INT");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("H24"),
        "{answer}"
    );
    let line = local.wait_for_router_line("/sleep?ms=60000");
    assert!(line.contains("at=error code=H24 "), "{line}");
    assert_eq!(local.wait_for_exit().code(), Some(0));
}

#[test]
fn a_short_request_is_finished_before_the_exit() {
    let local = DynoProcess::start_local(&guest_path("good"), &[]);
    let mut stream = local.connect();
    // Longer than the delivery of the signal, shorter than the grace time.
    stream
        .write_all(b"GET /sleep?ms=150 HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    local.send_signal("INT");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("slept 150"),
        "{answer}"
    );
    assert_eq!(local.wait_for_exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let home = HomeFolder::new();
    let local = start(&home, &[guest_path("spin").to_str().unwrap()]);
    let mut stream = local.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    local.send_signal("INT");
    local.send_signal("INT");
    assert_eq!(local.wait_for_exit().code(), Some(0));
    assert!(began.elapsed() < SOON);
    home.assert_no_process();
}

#[test]
fn a_signal_ends_a_build_and_its_child_processes() {
    let (home, demo) = (HomeFolder::new(), DemoApp::new());
    demo.write_file(
        "dyno.toml",
        "[build]\ncommand = \"echo begun; sleep 1000; true\"\noutput = \"app.wasm\"\n",
    );
    for signal in ["INT", "TERM"] {
        let mut command = home.dyno_command();
        let local = DynoProcess::spawn(command.arg("local").arg(demo.folder()).args(["-p", "0"]));
        local.wait_for_line("the build's output", |line| line == "begun");
        local.send_signal(signal);
        assert_eq!(local.wait_for_exit().code(), Some(0), "{signal}");
        home.assert_clean();
    }
}

#[test]
fn leftovers_of_a_killed_run_are_removed_by_the_next_run() {
    let home = HomeFolder::new();
    let component = guest_path("good");
    let component = component.to_str().unwrap();
    let local = start(&home, &[component]);
    assert_eq!(local.get("/files/write?path=./tmp/x").status, 200);
    local.send_signal("KILL");
    assert_eq!(local.wait_for_exit().code(), None);
    assert_eq!(file_names(&home.cache_folder().join("run")).len(), 1);
    let local = start(&home, &[component]);
    assert_eq!(file_names(&home.cache_folder().join("run")).len(), 1);
    assert!(local.stop().success());
    home.assert_clean();
}

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    let home = HomeFolder::new();
    let component = guest_path("good");
    let args = ["local", component.to_str().unwrap(), "-p", "0"];
    let mut both = [0, 1].map(|_| DynoProcess::spawn(home.dyno_command().args(args)));
    for local in &mut both {
        local.port = local.wait_for_port();
    }
    let [one, two] = both;
    assert_eq!(one.get("/count").text(), "1\n");
    assert!(one.stop().success());
    assert_eq!(two.get("/count").text(), "1\n");
    assert_eq!(two.get("/files/write?path=./tmp/x").status, 200);
    assert!(two.stop().success());
    home.assert_clean();
}

#[test]
fn a_signal_ends_the_compiler() {
    let home = HomeFolder::new();
    let mut command = home.dyno_command();
    let local = DynoProcess::spawn(
        command
            .arg("local")
            .arg(foreign_guest_path("js"))
            .args(["-p", "0"]),
    );
    local.wait_for_line("the release", |line| line.contains("Release v1 created"));
    std::thread::sleep(Duration::from_millis(200));
    local.send_signal("INT");
    assert_eq!(local.wait_for_exit().code(), Some(0));
    home.assert_clean();
}

#[test]
fn a_port_in_use_is_an_error_with_a_remedy() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let text = error_of(
        dyno_command()
            .arg("local")
            .arg(guest_path("good"))
            .args(["-p", &port]),
    );
    assert!(
        text.contains(&format!("port {port}")) && text.contains("-p"),
        "{text}"
    );
}

#[test]
fn the_requested_port_is_used() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let text = port.to_string();
    let mut command = dyno_command();
    let local = DynoProcess::spawn(
        command
            .arg("local")
            .arg(guest_path("good"))
            .args(["-p", &text]),
    );
    assert_eq!(local.wait_for_port(), port);
    assert!(local.stop().success());
}

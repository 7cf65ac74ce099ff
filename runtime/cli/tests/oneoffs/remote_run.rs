//! `dyno run`: exact exit codes, bytes and lines, and no leftovers.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout};
use std::thread;

use serde_json::{Value, json};
use testkit::{Server, ServerRig, wait_until};

use crate::program_app::{APP, signal, spawn_run, wait_for_no_one_off, with_programs};

/// Size of a large input, in bytes.
const LARGE: usize = 100 << 20;
/// Memory limit of a client or server while the input passes, in KiB. Most of it is used from the start.
const MEMORY_KIB_MAX: u64 = 120 << 10;

/// The peak memory of a process, in KiB; `None` if the process has ended.
fn memory_peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Byte `n` of a fixed pseudorandom stream, in which lost or repeated bytes are noticed.
fn byte(n: usize) -> u8 {
    let mixed = (n as u64 / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (8 * (n % 8))) as u8
}

/// Waits for the line `begun`.
fn begun(out: ChildStdout) -> BufReader<ChildStdout> {
    let mut lines = BufReader::new(out);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    lines
}

fn run(server: &Server<'_>, words: &[&str]) -> (Option<i32>, String, String) {
    let output = spawn_run(server, words).wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn all_exit_codes_are_passed_on() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    thread::scope(|scope| {
        for part in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for code in (0..=255).skip(part).step_by(4) {
                    // Alternates between components and core modules.
                    let process = if code / 4 % 2 == 0 { "code" } else { "code1" };
                    let (given, out, err) = run(server, &[process, &code.to_string()]);
                    assert_eq!(given, Some(code), "{process}: {out}{err}");
                }
            });
        }
    });
    wait_for_no_one_off(&server);
    assert!(server.stop().success());
}

#[test]
fn a_large_input_is_echoed_in_little_memory() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    for process in ["cat", "cat1"] {
        let mut child = spawn_run(&server, &[process]);
        let mut stdin = child.stdin.take().unwrap();
        let feed = thread::spawn(move || {
            let mut chunk = Vec::with_capacity(1 << 20);
            for start in (0..LARGE).step_by(1 << 20) {
                chunk.clear();
                chunk.extend((start..start + (1 << 20)).map(byte));
                stdin.write_all(&chunk).unwrap();
            }
        });
        let mut out = child.stdout.take().unwrap();
        let (mut seen, mut chunk, mut peak) = (0, vec![0; 1 << 20], 0);
        loop {
            let len = out.read(&mut chunk).unwrap();
            if len == 0 {
                break;
            }
            let same = chunk[..len].iter().enumerate();
            let same = same
                .into_iter()
                .all(|(at, found)| *found == byte(seen + at));
            assert!(same, "other bytes than were sent, after {seen}");
            seen += len;
            peak = memory_peak(child.id()).unwrap_or(peak);
        }
        feed.join().unwrap();
        let rest = child.wait_with_output().unwrap();
        let err = String::from_utf8(rest.stderr).unwrap();
        assert_eq!(rest.status.code(), Some(0), "{err}");
        assert_eq!((seen, err.as_str()), (LARGE, "bytes=104857600\n"));
        assert!(
            (1..MEMORY_KIB_MAX).contains(&peak),
            "the client had {peak} KiB"
        );
    }
    wait_for_no_one_off(&server);
    assert!(server.stop().success());
}

#[test]
fn a_million_lines_arrive_in_order_with_stderr_separate() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    let mut child = spawn_run(&server, &["lines", "1000000"]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    for line in lines {
        assert_eq!(line.unwrap(), format!("line {count}"));
        count += 1;
    }
    let rest = child.wait_with_output().unwrap();
    assert_eq!((count, rest.status.code()), (1_000_000, Some(0)));
    assert_eq!(String::from_utf8(rest.stderr).unwrap(), "done");
    // The same program, named by its path in the slug.
    let (code, out, err) = run(&server, &["lines.wasm", "2"]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(0), "line 0\nline 1\n", "done")
    );
    assert!(server.stop().success());
}

/// Starts a program that hangs, and waits until it runs.
fn hanging(server: &Server<'_>, how: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = spawn_run(server, &["hangs", how]);
    let out = begun(child.stdout.take().unwrap());
    let dynos = server.list_dynos(APP);
    let one_off = dynos.iter().find(|dyno| dyno["process"] == "run");
    assert_eq!(one_off.unwrap()["state"], "up", "{dynos:?}");
    (child, out)
}

#[test]
fn killing_the_client_ends_the_one_off() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    for how in ["sleep", "spin", "stdin"] {
        let (mut child, _out) = hanging(&server, how);
        let said = server.run(&["ps", "-a", APP]);
        assert!(said.success().contains("run."), "{}", said.stdout);
        signal(&child, "INT");
        assert_eq!(child.wait().unwrap().code(), Some(130), "{how}");
        wait_for_no_one_off(&server);
        let (mut child, _out) = hanging(&server, how);
        signal(&child, "KILL");
        child.wait().unwrap();
        wait_for_no_one_off(&server);
    }
    let (mut child, _out) = hanging(&server, "sleep");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    wait_for_no_one_off(&server);
    assert!(server.stop().success());
}

#[test]
fn closing_stdout_of_the_client_ends_the_one_off() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    let mut child = spawn_run(&server, &["lines", "100000000"]);
    let mut some = [0; 1_000];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut some).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    wait_for_no_one_off(&server);
    assert!(server.stop().success());
}

#[test]
fn a_one_off_is_stopped_by_name_and_by_the_end_of_the_server() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    let (child, _out) = hanging(&server, "sleep");
    server.run(&["ps", "stop", "run.1", "-a", APP]).success();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(134), "{err}");
    assert!(
        err.contains("run.1 of jobs failed: it was stopped"),
        "{err}"
    );
    wait_for_no_one_off(&server);
    // A second stop finds no dyno.
    let again = server.run(&["ps", "stop", "run.1", "-a", APP]);
    assert!(
        again.failure().contains("no dyno run.1"),
        "{}",
        again.stderr
    );
    let restart = server.run(&["ps", "restart", "run.1", "-a", APP]);
    assert!(
        restart.failure().contains("runs once"),
        "{}",
        restart.stderr
    );

    // When the server stops, stdin ends, and the program can finish.
    let (child, mut out) = hanging(&server, "stdin");
    assert!(server.stop().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stdin closed\n");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_detached_one_off_writes_to_the_log_and_is_billed() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    let said = server.run(&["run", "-d", "-a", APP, "--", "lines", "3"]);
    said.success();
    assert!(said.stderr.contains("run.1 of jobs"), "{}", said.stderr);
    for text in ["line 0", "line 2", "done"] {
        server.wait_for_log(APP, &[" app[run.1]: ", text]);
    }
    server.wait_for_log(APP, &[" dyno[run.1]: Process exited with status 0"]);
    server.wait_for_log(APP, &[" dyno[api]: Starting run.1 (lines), asked by "]);
    wait_for_no_one_off(&server);
    let usage = server.get_json(&format!("/v1/apps/{APP}/usage"));
    let items = usage["items"].as_array().unwrap().iter();
    let processes: Vec<&Value> = items.map(|item| &item["process"]).collect();
    assert!(processes.contains(&&json!("run")), "{usage}");
    assert!(server.stop().success());
}

#[test]
fn a_one_off_has_the_config_of_the_release_and_its_own_variables() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    server
        .run(&["config", "set", "A=1", "B=1", "-a", APP])
        .success();
    let words = [
        "run",
        "-a",
        APP,
        "--env",
        "B=2",
        "--env",
        "C=x y",
        "--",
        "surroundings",
        "$A",
        "-x",
    ];
    let said = server.run(&words);
    let lines: Vec<&str> = said.success().lines().collect();
    for line in [
        "arg=fixed",
        "arg=$A",
        "arg=-x",
        "env A=1",
        "env B=2",
        "env C=x y",
        "env DYNO=run.1",
        "env RELEASE_VERSION=v2",
    ] {
        assert!(lines.contains(&line), "{line}: {lines:#?}");
    }
    assert!(server.stop().success());
}

#[test]
fn commands_that_cannot_run_are_refused_with_a_reason() {
    let rig = ServerRig::new();
    let server = with_programs(&rig);
    let refused = |words: &[&str], why: &str| {
        let said = server.run(words);
        assert!(said.failure().contains(why), "{words:?}: {}", said.stderr);
    };
    refused(&["run", "-a", APP, "--", "nothing"], "cat, cat1, code");
    refused(&["run", "-a", APP, "--", "web"], "answers HTTP requests");
    refused(&["run", "-a", "other", "--", "cat"], "no app other");
    refused(&["run", "-a", APP, "--env", "1=x", "--", "cat"], "--env");
    refused(
        &["run", "-a", APP, "--size", "9GiB", "--", "cat"],
        "1MiB to 4GiB",
    );
    // One more than the limit. Each one-off waits for its client.
    let path = format!("/v1/apps/{APP}/dynos");
    let wish = json!({ "command": ["hangs"], "attach": true });
    let mut made = 0;
    wait_until("there are too many", || {
        let reply = server.request("POST", &path, &wish);
        made += 1;
        if reply.status == 409 {
            assert!(
                reply.text().contains("too_many_one_offs"),
                "{}",
                reply.text()
            );
            return true;
        }
        assert!(made <= 50, "{}", reply.text());
        false
    });
    assert!(server.stop().success());
}

//! WASI, interface by interface, under `dyno local run`. Each step must give the recorded result. If `wasmtime` is
//! installed, its results are compared too.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;
use testkit::{core_guest_path, guest_path};

use crate::local_run::{command, place, text};

/// Expected output of the file calls.
const FILES: &str = include_str!("wasi_interfaces/files.txt");

/// The guest as a component and as a core module.
fn programs() -> [PathBuf; 2] {
    [guest_path("cmd_wasi"), core_guest_path("cmd_wasi1")]
}

/// A `wasmtime` command, if `./test` has installed the tool.
fn wasmtime() -> Option<Command> {
    std::env::var_os("DYNO_TEST_WASMTIME").map(|program| {
        let mut command = Command::new(program);
        command.arg("run");
        command
    })
}

fn feed(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // A program that does not read stdin may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Runs the guest under `dyno local run`. Under `wasmtime` the output must be the same.
#[track_caller]
fn tour(program: &Path, flags: &[&str], words: &[&str], input: &str) -> Output {
    let place = place();
    let ours = |place: &TempDir| {
        let mut all = flags.to_vec();
        all.extend(["--", program.to_str().unwrap()]);
        all.extend(words);
        fs::create_dir(place.path().join("data")).unwrap();
        feed(&mut command(place, &all), input)
    };
    let said = ours(&place);
    let why = text(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{words:?}: {why}");
    if let Some(mut other) = wasmtime() {
        let place = crate::local_run::place();
        fs::create_dir(place.path().join("data")).unwrap();
        let other = other.current_dir(place.path()).args(flags);
        let theirs = feed(other.arg(program).args(words), input);
        assert_eq!(text(&said.stdout), text(&theirs.stdout), "{words:?}");
        assert_eq!(why, text(&theirs.stderr), "{words:?}");
        assert_eq!(said.status, theirs.status, "{words:?}");
    }
    said
}

#[test]
fn file_calls_give_the_results_of_wasmtime() {
    for program in programs() {
        let said = tour(&program, &["--dir", "data::/data"], &["files", "/data"], "");
        let out = text(&said.stdout);
        for (given, expected) in out.lines().zip(FILES.lines()) {
            assert_eq!(given, expected, "{}", program.display());
        }
        assert_eq!(out, FILES);
    }
}

/// With a folder of this machine mounted as `/`, every step gives the same result as under `wasmtime`.
#[test]
fn a_folder_mounted_as_the_root_behaves_as_in_wasmtime() {
    for program in [guest_path("one_tree"), core_guest_path("one_tree1")] {
        let run = |command: &mut Command, place: &TempDir| {
            for folder in ["tmp", "log", "public"] {
                fs::create_dir_all(place.path().join("data").join(folder)).unwrap();
            }
            fs::write(place.path().join("data/victim.txt"), "not the app's\n").unwrap();
            fs::write(place.path().join("data/public/page.txt"), "a page\n").unwrap();
            let command = command.current_dir(place.path());
            command
                .args(["--dir", "data::/", "--"])
                .arg(&program)
                .output()
                .unwrap()
        };
        let here = place();
        let ours = run(&mut command(&here, &[]), &here);
        let out = text(&ours.stdout);
        assert_eq!(ours.status.code(), Some(0), "{}", text(&ours.stderr));
        assert!(out.contains("\napp write: ()\n") && out.contains("\nrename tmp: ()\n"));
        assert!(out.contains("\nset_len 18446744073709551615: InvalidInput\n"));
        if let Some(mut wasmtime) = wasmtime() {
            let there = place();
            let theirs = run(&mut wasmtime, &there);
            for (ours, theirs) in out.lines().zip(text(&theirs.stdout).lines()) {
                assert_eq!(ours, theirs, "{}", program.display());
            }
            assert_eq!(ours.stdout, theirs.stdout);
        }
    }
}

#[test]
fn clocks_and_random_numbers_work() {
    for program in programs() {
        for what in ["clocks", "random"] {
            let out = text(&tour(&program, &[], &[what], "").stdout);
            assert!(
                !out.is_empty() && out.lines().all(|line| line.ends_with(": true")),
                "{out}"
            );
        }
    }
}

#[test]
fn environment_and_arguments_reach_the_program() {
    for program in programs() {
        let flags = ["--env", "T_A=1", "--env", "T_B=x y", "--env", "T_C="];
        let out = text(&tour(&program, &flags, &["env"], "").stdout);
        assert_eq!(out, "T_A=\"1\"\nT_B=\"x y\"\nT_C=\"\"\nnone: true\n");
        let words = ["args", "a", "b c", "", "$HOME", "--x", "ü\n"];
        let out = text(&tour(&program, &[], &words, "").stdout);
        assert_eq!(out, "\"a\"\n\"b c\"\n\"\"\n\"$HOME\"\n\"--x\"\n\"ü\\n\"\n");
    }
}

#[test]
fn stdin_stdout_and_stderr_work() {
    for program in programs() {
        let said = tour(&program, &[], &["stdio"], "first\nsecond\nthird");
        let expected =
            "first line: Some(true)\nrest: [\"second\", \"third\"]\nagain: Ok(0)\nno end";
        assert_eq!(text(&said.stdout), expected);
        assert_eq!(text(&said.stderr), "an error line\n");
    }
}

#[test]
fn tcp_sockets_work() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut said = String::new();
            BufReader::new(&stream).read_line(&mut said).unwrap();
            stream.write_all(said.to_uppercase().as_bytes()).unwrap();
        }
    });
    let place = place();
    let program = guest_path("cmd_wasi");
    let words = ["--", program.to_str().unwrap(), "sockets", &address];
    let said = command(&place, &words).output().unwrap();
    assert_eq!(
        text(&said.stdout),
        "tcp: (\"HELLO\\n\", true)\n",
        "{}",
        text(&said.stderr)
    );
    if let Some(mut other) = wasmtime() {
        let flags = ["-S", "inherit-network", "-S", "allow-ip-name-lookup"];
        let theirs = other.args(flags).arg(&program).args(["sockets", &address]);
        assert_eq!(said.stdout, theirs.output().unwrap().stdout);
    }
}

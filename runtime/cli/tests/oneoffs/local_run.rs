//! `dyno local run`: runs a program on this machine, without a server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;
use testkit::{core_guest_path, dyno_command, guest_path};

use crate::program_app::{app, signal};

/// A temporary working folder.
pub(crate) fn place() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A `dyno local run` command in a folder, with these arguments.
pub(crate) fn command(place: &TempDir, words: &[&str]) -> Command {
    let mut command = dyno_command();
    command.current_dir(place.path()).args(["local", "run"]);
    command.args(words);
    command
}

fn output(place: &TempDir, words: &[&str]) -> Output {
    command(place, words).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

#[test]
fn all_exit_codes_are_passed_on() {
    let place = place();
    let (component, core) = (guest_path("exit_with_code"), core_guest_path("exit_with1"));
    thread::scope(|scope| {
        for part in 0..4 {
            let (place, component, core) = (&place, &component, &core);
            scope.spawn(move || {
                for code in (0..=255).skip(part).step_by(4) {
                    let file = if code / 4 % 2 == 0 { component } else { core };
                    let said = output(place, &["--", file.to_str().unwrap(), &code.to_string()]);
                    assert_eq!(said.status.code(), Some(code), "{}", text(&said.stderr));
                }
            });
        }
    });
    let aborts = output(&place, &["--", core.to_str().unwrap(), "abort"]);
    assert_eq!(aborts.status.code(), Some(134), "{}", text(&aborts.stderr));
    assert!(text(&aborts.stderr).contains("error: "));
}

#[test]
fn stdin_stdout_and_stderr_are_those_of_the_command() {
    let place = place();
    for cat in [guest_path("cat"), core_guest_path("cat1")] {
        let mut command = command(&place, &["--", cat.to_str().unwrap()]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
        let sent = bytes.clone();
        let feed = thread::spawn(move || stdin.write_all(&sent).unwrap());
        let said = child.wait_with_output().unwrap();
        feed.join().unwrap();
        assert_eq!(said.status.code(), Some(0));
        assert!(said.stdout == bytes, "{} bytes came", said.stdout.len());
        assert_eq!(text(&said.stderr), "bytes=20000000\n");
    }
}

#[test]
fn a_signal_ends_the_program() {
    let place = place();
    for (how, name, code) in [
        ("sleep", "INT", 130),
        ("spin", "INT", 130),
        ("stdin", "TERM", 143),
    ] {
        let mut command = command(&place, &["--", guest_path("hangs").to_str().unwrap(), how]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        // `wait` would close stdin, which ends a program that reads.
        let _stdin = child.stdin.take();
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{how}");
    }
}

#[test]
fn a_process_type_of_the_app_in_the_folder_is_built_and_run() {
    let place = place();
    let procfile = "web: good.wasm\nshow: surroundings.wasm fixed $A\n";
    app(place.path(), &["good", "surroundings"], procfile);
    fs::write(place.path().join(".env"), "A=from-env\nB=1\n").unwrap();
    fs::write(place.path().join("other.env"), "A=from-other\n").unwrap();
    fs::write(place.path().join("victim.txt"), "the app's own\n").unwrap();
    let lines = |words: &[&str]| {
        let said = output(&place, words);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
        let lines: Vec<String> = text(&said.stdout).lines().map(str::to_owned).collect();
        lines
    };
    let told = lines(&["--env", "B=2", "--", "show", "$more"]);
    for line in [
        "arg=fixed",
        "arg=from-env",
        "arg=$more",
        "env A=from-env",
        "env B=2",
        "env DYNO=run.1",
        "victim=the app's own",
    ] {
        assert!(told.iter().any(|found| found == line), "{line}: {told:#?}");
    }
    let told = lines(&["-e", "other.env", "--", "surroundings.wasm", "x"]);
    assert!(told.contains(&"env A=from-other".to_owned()), "{told:#?}");
    for (words, why) in [
        (["--", "nothing"], "no process type"),
        (["--", "web"], "answers HTTP requests"),
        (["--env=1=2", "show"], "cannot"),
    ] {
        let said = output(&place, &words);
        assert_ne!(said.status.code(), Some(0));
        let err = text(&said.stderr);
        assert!(err.contains(why) || said.status.code() == Some(2), "{err}");
    }
    let said = output(&place, &["--dir", "no-such::/x", "--", "show"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(
        text(&said.stderr).contains("no-such"),
        "{}",
        text(&said.stderr)
    );
}

/// The public test suite of WASI checks the number of variables.
#[test]
fn a_component_file_gets_only_the_given_variables() {
    let place = place();
    for program in [guest_path("surroundings"), core_guest_path("surroundings1")] {
        let program = program.to_str().unwrap();
        let vars = |words: &[&str]| {
            let said = output(&place, words);
            assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
            let lines: Vec<String> = text(&said.stdout).lines().map(str::to_owned).collect();
            let vars = lines.into_iter().filter(|line| line.starts_with("env "));
            vars.collect::<Vec<_>>()
        };
        assert_eq!(vars(&["--", program]), [] as [&str; 0]);
        let given = ["--env", "B=a \" b", "--env", "a=", "--", program];
        assert_eq!(vars(&given), ["env B=a \" b", "env a="]);
    }
}

/// With a folder mounted as `/`, a program has only the given folders.
#[test]
fn a_folder_can_be_mounted_as_the_root() {
    let place = place();
    for folder in ["root/below", "root/tmp", "more"] {
        fs::create_dir_all(place.path().join(folder)).unwrap();
    }
    fs::write(place.path().join("root/tmp/x"), "of this machine").unwrap();
    let dirs = ["--dir", "root::/", "--dir", "more", "--"];
    let program = guest_path("cmd_folders");
    let said = output(&place, &[&dirs[..], &[program.to_str().unwrap()]].concat());
    let expected = "/ more\nbelow tmp\nof this machine\n";
    assert_eq!(text(&said.stdout), expected, "{}", text(&said.stderr));
    assert_eq!(
        fs::read(place.path().join("root/below/new")).unwrap(),
        b"made"
    );
    assert_eq!(fs::read(place.path().join("more/new")).unwrap(), b"made");
}

/// Files behind links and under long names of the app's folder are in the slug.
#[test]
fn links_inside_the_app_and_long_names_are_kept() {
    let place = place();
    app(
        place.path(),
        &["good", "cmd_reads"],
        "web: good.wasm\nread: cmd_reads.wasm\n",
    );
    let (folder, long) = (place.path(), "n".repeat(255));
    fs::create_dir_all(folder.join("releases/v2")).unwrap();
    fs::write(folder.join("releases/v2/page.txt"), "page two").unwrap();
    fs::write(folder.join(&long), "a long name").unwrap();
    for (target, link) in [
        ("releases/v2", "current"),
        ("../releases/v2/page.txt", "releases/page.txt"),
        ("tmp/cache", "cache"),
        (".", "here"),
    ] {
        std::os::unix::fs::symlink(target, folder.join(link)).unwrap();
    }
    let words = [
        "current/page.txt",
        "./current/../v2/page.txt",
        "releases/page.txt",
        "here/current/page.txt",
        &long,
        "cache=made",
        "tmp/cache",
        "here/tmp/../cache",
        "/cache",
        "here/cache=again",
        "tmp/../here/here/tmp/cache",
        "current/page.txt=mine",
        "../outside",
    ];
    let said = output(&place, &[&["--", "read"][..], &words].concat());
    let expected = "page two\npage two\npage two\npage two\na long name\nwritten\nmade\nmade\nmade\nwritten\nagain\n\
                    ReadOnlyFilesystem\nPermissionDenied\n";
    assert_eq!(text(&said.stdout), expected, "{}", text(&said.stderr));
    std::os::unix::fs::symlink("../outside", folder.join("bad")).unwrap();
    let said = output(&place, &["--", "read"]);
    let err = text(&said.stderr);
    assert!(err.contains("`bad` -> `../outside`"), "{err}");
}

//! One-off programs: `wasi:cli/run` of WASI 0.2 and 0.3, and core modules of preview 1.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dyno::{
    OneOffCommand, OneOffExit, PrepareError, ProgramOutput, ProgramStdio, RunningOneOffGuest,
};
use grid::desired::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::support::Host;

const MIB: u64 = 1024 * 1024;
const PIPE_BYTES: usize = 64 * 1024;
/// Time limit for everything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Empty stdin; stdout and stderr go to the log.
fn logged() -> ProgramStdio {
    ProgramStdio {
        stdin: None,
        stdout: ProgramOutput::Log,
        stderr: ProgramOutput::Log,
    }
}

/// Empty stdin; stdout goes to a pipe.
fn piped() -> (ProgramStdio, DuplexStream) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let stdio = ProgramStdio {
        stdout: ProgramOutput::Pipe(Box::new(far)),
        ..logged()
    };
    (stdio, near)
}

async fn end(running: RunningOneOffGuest) -> OneOffExit {
    let ended = tokio::time::timeout(PATIENCE, running).await;
    ended.expect("the program ends")
}

/// Runs the program. Returns its output and its exit.
async fn output(host: &mut Host, args: &[&str]) -> (String, OneOffExit) {
    let (stdio, mut from) = piped();
    let running = host.run(args, stdio).await.unwrap();
    let mut text = String::new();
    let read = tokio::time::timeout(PATIENCE, from.read_to_string(&mut text));
    read.await.expect("the pipe ends").unwrap();
    (text, end(running).await)
}

async fn exit_codes(guest: &str, first: &[&str]) {
    let mut host = Host::of_program(guest, Limits::default(), &[]);
    for code in 0..=255_u8 {
        let text = code.to_string();
        let args = [first, &[text.as_str()]].concat();
        let running = host.run(&args, logged()).await.unwrap();
        assert_eq!(end(running).await, OneOffExit::Code(code), "{guest}");
    }
}

#[tokio::test]
async fn exit_codes_are_exact() {
    exit_codes("exit_with_code", &[]).await;
    exit_codes("exit_with1", &[]).await;
    exit_codes("program3", &["exit"]).await;
}

/// `std::process::exit` in a WASI 0.2 component passes on only success or failure, not the code.
#[tokio::test]
async fn an_exit_without_a_code_is_exit_code_0_or_1() {
    let mut host = Host::of_program("exit_with", Limits::default(), &[]);
    for (code, exit) in [("0", 0), ("1", 1), ("42", 1)] {
        let running = host.run(&[code], logged()).await.unwrap();
        assert_eq!(end(running).await, OneOffExit::Code(exit), "{code}");
    }
    let mut host = Host::of_program("program3", Limits::default(), &[]);
    let running = host.run(&["fail"], logged()).await.unwrap();
    assert_eq!(end(running).await, OneOffExit::Code(1));
}

#[tokio::test]
async fn a_trap_differs_from_an_exit_and_is_logged() {
    for guest in ["exit_with", "exit_with1"] {
        let mut host = Host::of_program(guest, Limits::default(), &[]);
        let running = host.run(&["abort"], logged()).await.unwrap();
        let OneOffExit::Trap { reason } = end(running).await else {
            panic!("{guest} traps");
        };
        assert!(reason.contains("unreachable"), "{reason}");
        let lines = host.lines();
        assert!(lines.iter().any(|line| line.contains("wasm")), "{lines:?}");
    }
}

async fn copies(guest: &str, args: &[&str]) {
    let mut host = Host::of_program(guest, Limits::default(), &[]);
    let (mut near_in, far_in) = tokio::io::duplex(PIPE_BYTES);
    let (stdio, mut near_out) = piped();
    let stdio = ProgramStdio {
        stdin: Some(Box::new(far_in)),
        ..stdio
    };
    let running = host.run(args, stdio).await.unwrap();
    let bytes = 100 * MIB;
    let writer = tokio::spawn(async move {
        let block: Vec<u8> = (0..MIB).map(|i| (i % 251) as u8).collect();
        for _ in 0..100 {
            near_in.write_all(&block).await.unwrap();
        }
    });
    let (mut chunk, mut at) = (vec![0; PIPE_BYTES], 0);
    loop {
        let len = near_out.read(&mut chunk).await.unwrap();
        if len == 0 {
            break;
        }
        for byte in &chunk[..len] {
            assert_eq!(u64::from(*byte), at % MIB % 251, "at {at}");
            at += 1;
        }
    }
    assert_eq!(at, bytes, "{guest}");
    writer.await.unwrap();
    assert_eq!(end(running).await, OneOffExit::Code(0));
}

#[tokio::test]
async fn a_hundred_megabytes_pass_from_stdin_to_stdout() {
    copies("cat", &[]).await;
    copies("cat1", &[]).await;
    copies("program3", &["cat"]).await;
}

/// A reader that stops also stops the guest: the buffers in between do not grow.
#[tokio::test]
async fn a_program_waits_for_a_slow_reader_of_its_output() {
    for (guest, args) in [("cat", &[][..]), ("cat1", &[]), ("program3", &["cat"])] {
        let mut host = Host::of_program(guest, Limits::default(), &[]);
        let taken = Arc::new(Mutex::new(0));
        let (stdio, _unread) = piped();
        let stdio = ProgramStdio {
            stdin: Some(Box::new(Endless(Arc::clone(&taken)))),
            ..stdio
        };
        let running = host.run(args, stdio).await.unwrap();
        // The guest stops reading when the buffers in between are full.
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = *taken.lock().unwrap();
            assert!(now <= 2 * MIB, "{guest} has taken {now} bytes");
            if now == before && now > 0 {
                break;
            }
            before = now;
        }
        running.kill();
        assert_eq!(end(running).await, OneOffExit::Killed, "{guest}");
    }
}

/// An endless stdin that counts the bytes read.
struct Endless(Arc<Mutex<u64>>);

impl AsyncRead for Endless {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        to: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        *self.0.lock().unwrap() += to.remaining() as u64;
        to.initialize_unfilled().fill(b'x');
        to.advance(to.remaining());
        std::task::Poll::Ready(Ok(()))
    }
}

async fn prints(guest: &str, args: &[&str], lines: u64) {
    let mut host = Host::of_program(guest, Limits::default(), &[]);
    let (text, exit) = output(&mut host, args).await;
    assert_eq!(exit, OneOffExit::Code(0));
    let mut seen = text.lines();
    for n in 0..lines {
        assert_eq!(seen.next(), Some(format!("line {n}").as_str()), "{guest}");
    }
    assert_eq!(seen.next(), None);
    if guest != "program3" {
        assert_eq!(host.lines(), ["done"], "stderr goes to the log");
    }
}

#[tokio::test]
async fn every_line_of_output_is_delivered() {
    prints("lines", &["1000000"], 1_000_000).await;
    prints("lines1", &["1000000"], 1_000_000).await;
    prints("program3", &["lines", "20000"], 20_000).await;
}

/// When the client disconnects, the guest gets an error and does not hang.
#[tokio::test]
async fn a_program_ends_when_the_reader_of_its_output_has_left() {
    for guest in ["lines", "lines1"] {
        let mut host = Host::of_program(guest, Limits::default(), &[]);
        let (stdio, from) = piped();
        drop(from);
        let running = host.run(&["1000000"], stdio).await.unwrap();
        assert_ne!(end(running).await, OneOffExit::Code(0), "{guest}");
    }
}

/// Starts a program that hangs in the way `how`, and kills it once it runs.
async fn hangs(guest: &str, how: &str, begins: bool) {
    let mut host = Host::of_program(guest, Limits::default(), &[]);
    let (_held, far_in) = tokio::io::duplex(PIPE_BYTES);
    let (stdio, mut from) = piped();
    let stdio = ProgramStdio {
        stdin: Some(Box::new(far_in)),
        ..stdio
    };
    let running = host.run(&[how], stdio).await.unwrap();
    if begins {
        let mut begun = [0; 6];
        from.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"begun\n");
    } else {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    running.kill();
    assert_eq!(end(running).await, OneOffExit::Killed, "{guest} {how}");
    let mut rest = String::new();
    from.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "", "nothing after its end");
}

#[tokio::test]
async fn a_program_can_be_killed_while_it_computes_sleeps_or_reads() {
    for guest in ["hangs", "hangs1"] {
        for how in ["spin", "sleep", "stdin"] {
            hangs(guest, how, true).await;
        }
    }
    for how in ["spin", "sleep", "cat"] {
        hangs("program3", how, false).await;
    }
}

#[tokio::test]
async fn dropping_a_running_program_ends_it_and_removes_its_folders() {
    for guest in ["hangs", "hangs1"] {
        let mut host = Host::of_program(guest, Limits::default(), &[]);
        let (stdio, mut from) = piped();
        let running = host.run(&["spin"], stdio).await.unwrap();
        from.read_exact(&mut [0; 6]).await.unwrap();
        drop(running);
        let mut rest = String::new();
        from.read_to_string(&mut rest).await.unwrap();
        let work = host.folder.path().join("work");
        let mut left = 1;
        while left > 0 {
            left = std::fs::read_dir(&work).unwrap().count();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_program_sees_the_config_of_the_app_and_its_own_arguments() {
    for guest in ["surroundings", "surroundings1"] {
        let env = [("GREETING", "hello there"), ("OVER", "hidden")];
        let mut host = Host::of_program(guest, Limits::default(), &env);
        let (text, exit) = output(&mut host, &["one", "$HOME", "a b"]).await;
        assert_eq!(exit, OneOffExit::Code(0));
        let mut lines: Vec<&str> = text.lines().collect();
        let args: Vec<&str> = lines
            .extract_if(.., |line| line.starts_with("arg="))
            .collect();
        assert_eq!(args, ["arg=web.wasm", "arg=one", "arg=$HOME", "arg=a b"]);
        lines.sort_unstable();
        let slug = format!("env SLUG_ID={}", grid::name::SlugId::new([7; 32]));
        let mut want = vec![
            "env APP_NAME=demo",
            "env DYNO=run.1",
            "env GREETING=hello there",
            "env HOME=/",
            "env OVER=given",
            "env RELEASE_VERSION=v1",
            &slug,
            "env TMPDIR=/tmp",
            "victim=the app's own file",
        ];
        want.sort_unstable();
        assert_eq!(lines, want, "{guest}");
    }
}

/// Runs the guest's file tests. The rules are the same for components and for core modules, although core modules use
/// the file implementation of wasmtime-wasi.
async fn keeps(guest: &str) {
    let (core, mb, files) = (guest.ends_with('1'), 4, 20);
    let limits = Limits {
        disk_bytes: mb * MIB,
        disk_files: files,
        ..Limits::default()
    };
    let (mb, files) = (mb.to_string(), files.to_string());
    let env = [("QUOTA_MB", mb.as_str()), ("QUOTA_FILES", &files)];
    let mut host = Host::of_program(guest, limits, &env);
    let (text, exit) = output(&mut host, &[]).await;
    assert_eq!(exit, OneOffExit::Code(0), "{text}");
    for line in text.lines() {
        let (name, result) = line.split_once(": ").unwrap();
        let may = match name {
            // Writes beyond the quota fail; a removed but open file still counts.
            _ if name.ends_with("_beyond") || name == "still_open" => {
                // Rust's standard library for WASI 0.2 maps every stream error to `Uncategorized`.
                let full = result == "StorageFull" || (result == "Uncategorized" && !core);
                assert!(full, "{guest}: {line}\n{text}");
                continue;
            }
            "files made" => {
                assert_eq!(result, "20", "{text}");
                continue;
            }
            _ if name.starts_with("app_") || name.starts_with("out_") => {
                assert_ne!(result, "ok", "{guest}: {line}\n{text}");
                continue;
            }
            _ => "ok",
        };
        assert_eq!(result, may, "{guest}: {line}\n{text}");
    }
    let victim = host.folder.path().join("app/victim.txt");
    assert_eq!(
        std::fs::read_to_string(victim).unwrap(),
        "the app's own file\n"
    );
    let app = std::fs::read_dir(host.folder.path().join("app")).unwrap();
    assert_eq!(app.count(), 2, "nothing new among the app's files");
    let full = "are full (4 MiB or 20 files)";
    assert!(host.lines().iter().any(|line| line.contains(full)));
}

#[tokio::test]
async fn a_component_cannot_write_outside_its_folders_and_quotas() {
    keeps("keeps_files").await;
}

#[tokio::test]
async fn a_core_module_cannot_write_outside_its_folders_and_quotas() {
    keeps("keeps_files1").await;
}

#[tokio::test]
async fn commands_that_cannot_run_are_refused_with_a_reason() {
    let mut host = Host::of_program("exit_with", Limits::default(), &[]);
    let component = |path: &str| OneOffCommand::Component {
        path: path.into(),
        args: vec!["0".to_owned()],
    };
    let running = host.run_as(component("web.wasm"), logged()).await.unwrap();
    assert_eq!(end(running).await, OneOffExit::Code(0));
    for path in ["victim.txt", "missing.wasm", "../app/web.wasm", "/web.wasm"] {
        let refused = host.run_as(component(path), logged()).await;
        let refused = refused.err();
        assert!(
            matches!(refused, Some(PrepareError::Component { .. })),
            "{path}: {refused:?}"
        );
    }
    let no_such = OneOffCommand::Type {
        process: "worker".parse().unwrap(),
        args: vec![],
    };
    let refused = host.run_as(no_such, logged()).await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "v1 has no process type worker; it has: web"
    );
    let mut host = Host::new("good").await;
    let refused = host.run(&[], logged()).await.err().unwrap();
    assert!(
        refused.to_string().contains("answers HTTP requests"),
        "{refused}"
    );
}

/// Expected output of the guest that visits all folders, one line for each step.
const TREE: &str = include_str!("programs/one_tree.txt");
/// Expected output of the guest that uses descriptors of WASI 0.3.
const TREE3: &str = include_str!("programs/one_tree3.txt");

async fn one_tree(guest: &str, expected: &str) {
    let limits = Limits {
        disk_bytes: 4 * MIB,
        disk_files: 20,
        ..Limits::default()
    };
    let mut host = Host::of_program(guest, limits, &[]);
    let app = host.folder.path().join("app");
    std::fs::create_dir(app.join("public")).unwrap();
    std::fs::write(app.join("public/page.txt"), "a page\n").unwrap();
    // A folder of a slug from an older build. The dyno's own folder hides it.
    std::fs::create_dir(app.join("tmp")).unwrap();
    std::fs::write(app.join("tmp/x"), "not to be seen\n").unwrap();
    let (text, exit) = output(&mut host, &[]).await;
    for (line, (given, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(given, expected, "{guest}, line {}\n{text}", line + 1);
    }
    assert_eq!(text, expected, "{guest}");
    assert_eq!(exit, OneOffExit::Code(0));
    let read = |file: &str| std::fs::read_to_string(app.join(file)).unwrap();
    assert_eq!(read("victim.txt"), "the app's own file\n");
    assert_eq!(read("public/page.txt"), "a page\n");
    assert_eq!(read("tmp/x"), "not to be seen\n");
    assert_eq!(std::fs::read_dir(&app).unwrap().count(), 4);
}

#[tokio::test]
async fn a_component_sees_its_folders_as_one_tree() {
    one_tree("one_tree", TREE).await;
}

#[tokio::test]
async fn a_core_module_sees_its_folders_as_one_tree() {
    one_tree("one_tree1", TREE).await;
}

#[tokio::test]
async fn a_component_of_wasi_0_3_sees_its_folders_as_one_tree() {
    one_tree("one_tree3", TREE3).await;
}

//! Guests that use up memory, tables, handles, disk, log, connections.
//!
//! Each guest stops at its limit, other dynos are not affected, and the host gets all resources back.

use std::net::TcpListener;
use std::thread;

use testkit::{DynoProcess, HttpReply, wait_until};

use crate::guest_app::{MEMORY_KIB, Stage, limited, number, start, value, wat};

/// Floods one of two dynos, within its memory limit, while the other serves.
fn floods(name: &str, path: &str) -> (Stage, HttpReply) {
    let stage = start(name, &["web=2"]);
    stage.ok();
    let base = stage.kib("VmRSS");
    let (reply, _) = stage.beside(path);
    stage.held(base, MEMORY_KIB);
    (stage, reply)
}

/// The host traps the guest at the limit of its resource table.
fn overflows(name: &str, paths: &[&str]) {
    for path in paths {
        let (stage, reply) = floods(name, path);
        assert_eq!((reply.status, reply.complete), (503, true), "{reply:?}");
        let line = stage.wait_for_router_line(path);
        assert!(line.contains(" code=H13 "), "{line}");
        stage.wait_for_line("the crash", |line| line.contains("]: Crashed: "));
        stage.wait_for_line("its replacement", |line| {
            line.contains("from crashed to starting")
        });
        stage.ok();
        stage.ends();
    }
}

fn is_refused_memory(stage: &Stage) {
    stage.wait_for_line("the refusal", |line| {
        line.contains("Error R14 (Memory quota exceeded) -> ")
    });
}

#[test]
fn memory_bomb() {
    let (stage, reply) = floods("memory_bomb", "/x");
    let mib = number(&reply, "mib");
    assert!((100..128).contains(&mib), "{reply:?}");
    is_refused_memory(&stage);
    let (reply, _) = stage.beside("/x?then=trap");
    assert_eq!(reply.status, 503, "{reply:?}");
    stage.wait_for_line("the crash", |line| line.contains("]: Crashed: "));
    stage.ok();
    stage.ends();
}

#[test]
fn memory_bomb_by_the_apps_own_limit() {
    let stage = limited("memory_bomb", "memory = \"32MiB\"", &[]);
    let base = stage.kib("VmRSS");
    let mib = number(&stage.get("/x"), "mib");
    assert!((20..32).contains(&mib), "{mib}");
    stage.held(base, 32 * 1024);
    is_refused_memory(&stage);
    stage.ends();
}

#[test]
fn leak() {
    let stage = start("leak", &[]);
    let base = stage.kib("VmRSS");
    for round in 1..10 {
        let reply = stage.get(&format!("/{round}?kb=20480"));
        if reply.status != 200 {
            assert_eq!((round, reply.status), (7, 503), "128 MiB hold six times 20");
            break;
        }
        assert_eq!(number(&reply, "kept_kb"), round * 20480);
    }
    is_refused_memory(&stage);
    stage.is_replaced();
    assert_eq!(
        number(&stage.get("/x"), "kept_kb"),
        1024,
        "the new one has nothing of the old one"
    );
    stage.held(base, MEMORY_KIB);
    wait_until("the memory is given back", || {
        stage.kib("VmRSS") < base + MEMORY_KIB / 2
    });
    stage.ends();
}

#[test]
fn table_growth() {
    let folder = wat("table_growth", "");
    let local = DynoProcess::start_local(folder.path(), &[]);
    let stage = Stage::of(local, folder);
    let base = stage.kib("VmRSS");
    let reply = stage.get("/");
    assert_eq!(reply.status, 200, "{reply:?}");
    stage.wait_for_line("the refusal", |line| {
        line.contains("Error R14 ") && line.contains("tables")
    });
    stage.held(base, 0);
    stage.ends();
}

/// Handles that are never closed fail no request: the instance is replaced between two requests.
#[test]
fn forgotten_handles() {
    let stage = start("resource_flood", &[]);
    for request in 0..500 {
        let reply = stage.get("/x?n=10");
        assert_eq!(reply.status, 200, "request {request}: {reply:?}");
    }
    stage.wait_for_line("a fresh start", |line| {
        line.contains("dyno[web.1]: Started afresh: the app has ") && line.contains(" handles ")
    });
    assert!(!stage.lines().iter().any(|line| line.contains("rashed")));
    stage.ends();
}

#[test]
fn resource_flood() {
    overflows("resource_flood", &["/x"]);
}

#[test]
fn pollable_flood() {
    overflows("pollable_flood", &["/x"]);
    // The allowed number of pollables can be polled in one call.
    let stage = start("pollable_flood", &[]);
    let reply = stage.get("/x?n=1000&poll=1");
    assert_eq!(number(&reply, "made"), 1000);
    stage.ends();
}

#[test]
fn stream_flood() {
    overflows("stream_flood", &["/x"]);
}

#[test]
fn stream_flood3() {
    overflows("stream_flood3", &["/x", "/x?what=tasks"]);
}

/// Writes through a stream: the C library of WASI 0.2 maps every stream error to an I/O error.
const STREAMED: [&str; 3] = ["write", "append", "sparse"];

fn says_full(reply: &HttpReply) -> bool {
    reply.text().contains("StorageFull") || reply.text().contains("insufficient-space")
}

fn fails(reply: &HttpReply) -> bool {
    value(reply, "error") != "none"
}

#[test]
fn disk_fill() {
    const MAX: u64 = 8 * 1024 * 1024;
    for how in ["write", "append", "pwrite", "set_len", "sparse"] {
        let stage = limited("disk_fill", "disk = \"8MiB\"", &["web=2"]);
        let (reply, _) = stage.beside(&format!("/x?mb=64&how={how}"));
        assert!(number(&reply, "bytes") <= MAX, "{how}: {reply:?}");
        assert!(
            says_full(&reply) || STREAMED.contains(&how) && fails(&reply),
            "{how}: {reply:?}"
        );
        stage.wait_for_line("the warning", |line| line.contains("no space is left"));
        assert!(on_disk(&stage) <= MAX, "{how}: {} bytes", on_disk(&stage));
        stage.ends();
    }
}

/// Bytes in all files of all dynos.
fn on_disk(stage: &Stage) -> u64 {
    let dynos = stage.run_folder().join("dynos");
    let sizes = files(&dynos)
        .into_iter()
        .map(|file| file.metadata().unwrap().len());
    sizes.sum()
}

/// All files below a folder.
fn files(folder: &std::path::Path) -> Vec<std::fs::DirEntry> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let (folders, mut all): (Vec<_>, Vec<_>) =
        entries.partition(|entry| entry.file_type().unwrap().is_dir());
    folders
        .iter()
        .for_each(|folder| all.extend(files(&folder.path())));
    all
}

#[test]
fn file_flood() {
    names_run_out(&["files", "dirs"]);
}

#[test]
fn file_flood_of_links() {
    names_run_out(&["links", "symlinks"]);
}

fn names_run_out(ways: &[&str]) {
    for how in ways {
        let stage = start("file_flood", &[]);
        let reply = stage.get(&format!("/x?n=20000&how={how}"));
        let made = number(&reply, "made");
        assert!((9_900..=10_000).contains(&made), "{how}: {reply:?}");
        assert!(says_full(&reply), "{reply:?}");
        stage.wait_for_line("the warning", |line| line.contains("no space is left"));
        // Ten thousand files are removed with the run, in short time.
        stage.ends();
    }
}

/// Each written line was printed or counted as dropped.
fn accounts_for(stage: &Stage, written: usize, shown: impl Fn(&str) -> bool) {
    wait_until("all lines are accounted for", || {
        let lines = stage.lines();
        let seen = lines.iter().filter(|line| shown(line)).count();
        assert!(seen <= written);
        let dropped: usize = lines.iter().filter_map(|line| dropped(line)).sum();
        seen + dropped >= written
    });
}

/// The number in `Error L11 (Tail buffer overflow) -> N lines were dropped`.
fn dropped(line: &str) -> Option<usize> {
    let rest = line.split_once("Error L11 (Tail buffer overflow) -> ")?.1;
    rest.strip_suffix(" lines were dropped")?.parse().ok()
}

#[test]
fn log_flood() {
    let stage = start("log_flood", &["web=2"]);
    stage.both_are_up();
    let base = stage.kib("VmRSS");
    // Dropped lines may include lines of the router.
    let (reply, _) = stage.while_asked("/x?mb=10");
    stage.held(base, MEMORY_KIB);
    assert_eq!(number(&reply, "lines"), 100_000);
    accounts_for(&stage, 100_000, |line| line.contains(" app[web."));
    stage.ok();
    stage.ends();
}

#[test]
fn log_flood_in_one_line() {
    let stage = start("log_flood", &[]);
    let base = stage.kib("VmRSS");
    let reply = stage.get("/x?mb=4&how=line");
    assert_eq!(number(&reply, "lines"), 40_000);
    // 4 MB, in lines of 10,000 bytes.
    accounts_for(&stage, 400, |line| line.contains(" app[web.1]: "));
    assert!(stage.lines().iter().all(|line| line.len() < 10_100));
    stage.held(base, MEMORY_KIB);
    stage.ends();
}

#[test]
fn connect_flood() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = listener.local_addr().unwrap();
    thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    let stage = start("connect_flood", &["web=2"]);
    stage.ok();
    // A dyno opens its two folders at first use.
    let base = stage.descriptors() + 2 * 2;
    for _ in 0..3 {
        let (reply, _) = stage.beside(&format!("/x?addr={target}&n=5000"));
        assert_eq!(
            (number(&reply, "open"), number(&reply, "failed")),
            (64, 4936),
            "{reply:?}"
        );
        stage.descriptors_return_to(base);
    }
    stage.ends();
}

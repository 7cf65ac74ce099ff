//! Tests of the log files: restarts, bounds, private folders, and full disks.

use super::*;
use crate::logs::{AppLogSource, AppLogs, Follow, LINES_MAX, LogFilter};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

fn app(name: &str) -> AppName {
    name.parse().expect("a name")
}

fn line(text: impl Into<String>) -> AppLogLine {
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_000_000_123_456);
    let source = AppLogSource::App("web.1".parse().expect("a dyno"));
    let text = text.into();
    AppLogLine { at, source, text }
}

/// Opens a server's logs in a folder, with the given bounds.
fn logs(root: &Path, bounds: LogFileLimits) -> AppLogs {
    AppLogs::with_files(LogFiles::open_with(root, bounds).expect("nobody else's"))
}

fn say(logs: &AppLogs, name: &str, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        logs.append_line(&app(name), line(text));
    }
    logs.write_queued_lines().expect("written");
}

fn read(logs: &AppLogs, name: &str, n: usize) -> Vec<String> {
    let tail = logs.open_tail(&app(name), LogFilter::default(), n, Follow::No);
    let mut tail = tail.expect("room");
    std::iter::from_fn(|| tail.next_ready_line().map(|line| line.text.clone())).collect()
}

fn files(root: &Path) -> Vec<(String, u64)> {
    let all = std::fs::read_dir(root).expect("there").map(|entry| {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("text");
        (name, entry.metadata().expect("there").len())
    });
    let mut all: Vec<_> = all.filter(|(name, _)| name.ends_with(".log")).collect();
    all.sort();
    all
}

fn numbers(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

#[tokio::test]
async fn lines_survive_a_restart_in_order_and_can_be_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = logs(folder.path(), LogFileLimits::default());
    say(&before, "hello", numbers(0..5));
    say(&before, "other", numbers(0..1));
    drop(before);
    let after = logs(folder.path(), LogFileLimits::default());
    assert_eq!(read(&after, "hello", 2), ["3", "4"]);
    let follow = after.open_tail(&app("hello"), LogFilter::default(), 1, Follow::Yes);
    let mut follow = follow.expect("room");
    say(&after, "hello", numbers(5..7));
    for expected in ["4", "5", "6"] {
        assert_eq!(follow.next_line().await.expect("it follows").text, expected);
    }
    assert_eq!(
        read(&after, "hello", 100),
        ["0", "1", "2", "3", "4", "5", "6"]
    );
    // The log of this app is first opened by a new line, not by a reader.
    say(&after, "other", numbers(1..2));
    assert_eq!(read(&after, "other", 100), ["0", "1"]);
    assert!(read(&after, "silent", 100).is_empty());
}

#[test]
fn files_are_private_and_a_second_server_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("a/logs");
    let held = logs(&root, LogFileLimits::default());
    say(&held, "hello", numbers(0..1));
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("hello.1.dyno.log")), 0o600);
    let second = LogFiles::open(&root);
    assert!(matches!(second, Err(LogFilesError::InUse(_))));
}

#[test]
fn a_line_cut_by_a_crash_is_dropped_and_the_next_line_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    say(
        &logs(folder.path(), LogFileLimits::default()),
        "hello",
        numbers(0..3),
    );
    let file = folder.path().join("hello.1.dyno.log");
    for torn in [
        "2026-11-18T11:06:40.123456+00:00 app[web.1]: ha",
        "\0\0\0\0",
    ] {
        let mut bytes = std::fs::read(&file).expect("there");
        let whole = bytes.len();
        bytes.extend_from_slice(torn.as_bytes());
        std::fs::write(&file, &bytes).expect("written");
        let after = logs(folder.path(), LogFileLimits::default());
        assert_eq!(
            read(&after, "hello", 100).last().map(String::as_str),
            Some("2")
        );
        drop(after);
        let after = logs(folder.path(), LogFileLimits::default());
        say(&after, "hello", ["2".to_owned()]);
        let bytes = std::fs::read(&file).expect("there");
        assert!(bytes[whole..].starts_with(b"2026-"), "{torn:?}");
    }
    let after = logs(folder.path(), LogFileLimits::default());
    assert_eq!(read(&after, "hello", 100), ["0", "1", "2", "2", "2"]);
}

#[test]
fn an_apps_files_are_bounded_in_bytes_and_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let bounds = LogFileLimits {
        file_bytes: 2_000,
        files_of_app: 3,
        ..LogFileLimits::default()
    };
    let kept = logs(folder.path(), bounds);
    for number in 0..500 {
        say(&kept, "hello", numbers(number..number + 1));
    }
    let all = files(folder.path());
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|(_, bytes)| *bytes <= 2_000), "{all:?}");
    drop(kept);
    let after = logs(folder.path(), bounds);
    let read = read(&after, "hello", LINES_MAX);
    assert_eq!(read.last().map(String::as_str), Some("499"));
    let first: usize = read[0].parse().expect("a number");
    assert_eq!(read, numbers(first..500).collect::<Vec<_>>(), "no gap");
    assert!(
        read.len() > 80,
        "the newest files are all read: {}",
        read.len()
    );
}

#[test]
fn total_size_is_bounded_and_the_least_recent_files_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let bounds = LogFileLimits {
        disk_bytes: 4_000,
        open: 3,
        ..LogFileLimits::default()
    };
    let kept = logs(folder.path(), bounds);
    for round in 0..30 {
        for name in ["aaa", "bbb", "ccc", "ddd", "eee"] {
            if name != "aaa" || round == 0 {
                say(&kept, name, numbers(round..round + 1));
            }
        }
        let bytes: u64 = files(folder.path()).iter().map(|(_, bytes)| bytes).sum();
        assert!(bytes <= 4_000 + 200, "{bytes}");
    }
    let all = files(folder.path());
    assert!(
        !all.iter().any(|(name, _)| name.starts_with("aaa")),
        "{all:?}"
    );
    assert!(
        all.iter().any(|(name, _)| name.starts_with("eee")),
        "{all:?}"
    );
}

#[test]
fn destroying_an_app_removes_its_files_and_drops_late_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = logs(folder.path(), LogFileLimits::default());
    say(&kept, "hello", numbers(0..3));
    kept.append_line(&app("hello"), line("not yet written"));
    kept.forget_app(&app("hello"));
    say(&kept, "hello", ["late".to_owned()]);
    assert_eq!(files(folder.path()), []);
    kept.start_app(&app("hello"));
    say(&kept, "hello", ["anew".to_owned()]);
    drop(kept);
    let after = logs(folder.path(), LogFileLimits::default());
    assert_eq!(read(&after, "hello", 100), ["anew"]);
    after.retain_files(|name| name.as_str() != "hello");
    assert_eq!(files(folder.path()), []);
}

#[test]
fn files_of_other_programs_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("backup.1.log");
    std::fs::write(&other, "theirs").expect("written");
    logs(folder.path(), LogFileLimits::default()).retain_files(|_| false);
    assert!(other.exists());
}

#[test]
fn a_full_disk_loses_only_lines_and_counts_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let bounds = LogFileLimits {
        retry: Duration::ZERO,
        ..LogFileLimits::default()
    };
    let kept = logs(folder.path(), bounds);
    let place = folder.path().join("hello.1.dyno.log");
    // Every write to /dev/full fails with `ENOSPC`.
    std::os::unix::fs::symlink("/dev/full", &place).expect("a link");
    for text in numbers(0..3) {
        kept.append_line(&app("hello"), line(text));
    }
    let error = kept.write_queued_lines().expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(
        read(&kept, "hello", 100),
        ["0", "1", "2"],
        "readers get them"
    );
    say(&kept, "other", numbers(0..1));
    std::fs::remove_file(&place).expect("a link");
    say(&kept, "hello", numbers(3..4));
    drop(kept);
    let after = logs(folder.path(), bounds);
    let read = read(&after, "hello", 100);
    assert_eq!(read.len(), 2, "{read:?}");
    assert!(
        read[0].starts_with("Error L10 (Drain buffer overflow) -> 3 lines"),
        "{read:?}"
    );
    assert_eq!(read[1], "3");
}

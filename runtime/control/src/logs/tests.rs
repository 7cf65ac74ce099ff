//! Tests of the log buffers: bounds, filters, followers, and lines dropped for slow readers.

use super::*;
use grid::name::AppName;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

fn app(name: &str) -> AppName {
    name.parse().expect("a name")
}

fn line(source: AppLogSource, text: impl Into<String>) -> AppLogLine {
    AppLogLine {
        at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_000_000_123_456),
        source,
        text: text.into(),
    }
}

fn of_app(dyno: &str, text: impl Into<String>) -> AppLogLine {
    line(AppLogSource::App(dyno.parse().expect("a dyno")), text)
}

async fn texts(mut tail: LogTail) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(line) = tail.next_line().await {
        texts.push(line.text.clone());
    }
    texts
}

async fn read(logs: &AppLogs, filter: LogFilter, n: usize) -> Vec<String> {
    let tail = logs.open_tail(&app("hello"), filter, n, Follow::No);
    texts(tail.expect("room for a reader")).await
}

#[test]
fn lines_have_the_documented_form() {
    let dyno: grid::name::DynoId = "web.1".parse().expect("a dyno");
    let forms = [
        (AppLogSource::App(dyno.clone()), "app[web.1]"),
        (AppLogSource::Dyno(dyno), "dyno[web.1]"),
        (AppLogSource::Router, "dyno[router]"),
        (AppLogSource::Api, "dyno[api]"),
    ];
    for (source, form) in forms {
        let text = line(source, "hello").to_string();
        assert_eq!(
            text,
            format!("2026-11-18T11:06:40.123456+00:00 {form}: hello")
        );
    }
}

#[tokio::test]
async fn the_last_lines_come_in_order() {
    let logs = AppLogs::new();
    for n in 0..10 {
        logs.append_line(&app("hello"), of_app("web.1", n.to_string()));
        logs.append_line(&app("other"), of_app("web.1", "not this"));
    }
    assert_eq!(read(&logs, LogFilter::default(), 3).await, ["7", "8", "9"]);
    assert_eq!(read(&logs, LogFilter::default(), 100).await.len(), 10);
    assert!(read(&logs, LogFilter::default(), 0).await.is_empty());
    let silent = logs.open_tail(&app("silent"), LogFilter::default(), 5, Follow::No);
    assert!(texts(silent.expect("room")).await.is_empty());
    assert_eq!(logs.reader_count(), 0);
}

#[tokio::test]
async fn line_limit_counts_only_lines_that_pass_the_filter() {
    let logs = AppLogs::new();
    let web: grid::name::DynoId = "web.1".parse().expect("a dyno");
    for line in [
        of_app("web.1", "a1"),
        of_app("web.2", "a2"),
        of_app("worker.1", "a3"),
        line(AppLogSource::Dyno(web.clone()), "d1"),
        line(AppLogSource::Router, "r"),
        line(AppLogSource::Api, "i"),
    ] {
        logs.append_line(&app("hello"), line);
    }
    let of = |side, which| LogFilter { side, which };
    let one = Some(DynoSelector::Dyno(web));
    let all = Some(DynoSelector::Process("web".parse().expect("a process")));
    assert_eq!(
        read(&logs, of(Some(LogSide::App), None), 2).await,
        ["a2", "a3"]
    );
    assert_eq!(
        read(&logs, of(Some(LogSide::Dyno), None), 9).await,
        ["d1", "r", "i"]
    );
    assert_eq!(read(&logs, of(None, one.clone()), 9).await, ["a1", "d1"]);
    assert_eq!(read(&logs, of(None, all), 9).await, ["a1", "a2", "d1"]);
    assert_eq!(read(&logs, of(Some(LogSide::App), one), 9).await, ["a1"]);
}

#[tokio::test]
async fn a_follower_gets_new_lines_until_the_app_is_destroyed() {
    let logs = AppLogs::new();
    logs.append_line(&app("hello"), of_app("web.1", "before"));
    let tail = logs.open_tail(&app("hello"), LogFilter::default(), 1, Follow::Yes);
    let mut tail = tail.expect("room");
    assert_eq!(tail.next_line().await.expect("a line").text, "before");
    assert!(tail.next_ready_line().is_none());
    let waiting = tokio::spawn(async move { (tail.next_line().await, tail) });
    tokio::task::yield_now().await;
    logs.append_line(&app("hello"), of_app("web.1", "after"));
    let (line, mut tail) = waiting.await.expect("no panic");
    assert_eq!(line.expect("a line").text, "after");
    logs.forget_app(&app("hello"));
    assert!(tail.next_line().await.is_none());
    assert!(read(&logs, LogFilter::default(), 9).await.is_empty());
    assert_eq!(logs.total_bytes(), 0);
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_lines_were_dropped() {
    let logs = AppLogs::new();
    let tail = logs.open_tail(&app("hello"), LogFilter::default(), 0, Follow::Yes);
    let mut tail = tail.expect("room");
    for n in 0..LINES_MAX + 7 {
        logs.append_line(&app("hello"), of_app("web.1", n.to_string()));
    }
    let first = tail.next_line().await.expect("a line");
    assert_eq!(
        first.text,
        "Error L11 (Tail buffer overflow) -> 7 lines were dropped"
    );
    assert_eq!(first.source, AppLogSource::Api);
    for n in 7..LINES_MAX + 7 {
        assert_eq!(tail.next_line().await.expect("a line").text, n.to_string());
    }
    assert!(tail.next_ready_line().is_none());
}

#[tokio::test]
async fn a_reader_without_follow_ends_even_while_lines_keep_coming() {
    let logs = AppLogs::new();
    logs.append_line(&app("hello"), of_app("web.1", "first"));
    let tail = logs.open_tail(&app("hello"), LogFilter::default(), 10, Follow::No);
    for n in 0..100 {
        logs.append_line(&app("hello"), of_app("web.1", n.to_string()));
    }
    assert_eq!(texts(tail.expect("room")).await, ["first"]);
}

#[test]
fn kept_lines_of_an_app_are_bounded_in_bytes() {
    let logs = AppLogs::new();
    for _ in 0..2_000 {
        logs.append_line(&app("hello"), of_app("web.1", "x".repeat(10_000)));
    }
    assert!(logs.total_bytes() <= BYTES_MAX && logs.total_bytes() > BYTES_MAX / 2);
    for _ in 0..2_000 {
        logs.append_line(&app("other"), of_app("web.1", ""));
    }
    let small = read_now(&logs, "other");
    assert_eq!(small, LINES_MAX);
}

fn read_now(logs: &AppLogs, name: &str) -> usize {
    let tail = logs.open_tail(&app(name), LogFilter::default(), LINES_MAX, Follow::No);
    let mut tail = tail.expect("room");
    std::iter::from_fn(|| tail.next_ready_line()).count()
}

#[test]
fn kept_lines_of_all_apps_together_are_bounded() {
    let logs = AppLogs::new();
    let push = |name: &str| logs.append_line(&app(name), of_app("web.1", "x".repeat(10_000)));
    (0..200).for_each(|_| push("hello"));
    assert!(read_now(&logs, "hello") > 90);
    // Simulates other apps that have filled the shared buffer space.
    logs.0.bytes.fetch_add(ALL_BYTES_MAX, Ordering::Relaxed);
    (0..20).for_each(|_| push("other"));
    push("hello");
    assert_eq!((read_now(&logs, "hello"), read_now(&logs, "other")), (6, 6));
    assert!(logs.total_bytes() - ALL_BYTES_MAX <= 2 * SHARE_BYTES);
}

#[test]
fn reader_limits_hold_and_closed_readers_free_their_memory() {
    let logs = AppLogs::new();
    let follow = |name: &str| logs.open_tail(&app(name), LogFilter::default(), 0, Follow::Yes);
    let mut tails: Vec<LogTail> = (0..TAILS_OF_APP_MAX)
        .map(|_| follow("hello").expect("room"))
        .collect();
    assert_eq!(follow("hello").err(), Some(LogTailError::OfApp));
    for n in 0..TAILS_MAX - TAILS_OF_APP_MAX {
        tails.push(follow(&format!("app-{}", n / 50)).expect("room"));
    }
    assert_eq!(follow("further").err(), Some(LogTailError::OfAll));
    tails.clear();
    assert_eq!(logs.reader_count(), 0);
    assert!(logs.0.apps.read().is_empty(), "silent apps cost nothing");
    assert!(follow("hello").is_ok());
}

#[tokio::test]
async fn line_breaks_and_control_characters_are_escaped() {
    let logs = AppLogs::new();
    let text = "one\n2026-11-18T11:06:40.123456+00:00 dyno[api]: forged\r\x1b[31m\ttab \u{85}";
    logs.append_line(&app("hello"), of_app("web.1", text));
    let lines = read(&logs, LogFilter::default(), 9).await;
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].chars().any(|c| c != '\t' && c.is_control()));
    assert!(lines[0].starts_with("one\\n2026") && lines[0].contains("\\r\\u{1b}[31m\ttab"));
    logs.append_line(&app("hello"), of_app("web.1", "ä".repeat(LINE_BYTES_MAX)));
    assert_eq!(
        read(&logs, LogFilter::default(), 1).await[0].len(),
        LINE_BYTES_MAX
    );
}

#[test]
fn many_writers_and_readers_lose_nothing() {
    const WRITERS: usize = 4;
    const LINES: usize = 300;
    let logs = AppLogs::new();
    let tail = logs.open_tail(&app("hello"), LogFilter::default(), 0, Follow::Yes);
    let mut tail = tail.expect("room");
    std::thread::scope(|scope| {
        for n in 0..WRITERS {
            let logs = &logs;
            scope.spawn(move || {
                for line in 0..LINES {
                    logs.append_line(
                        &app("hello"),
                        of_app(&format!("web.{}", n + 1), line.to_string()),
                    );
                    drop(logs.open_tail(&app("other"), LogFilter::default(), 0, Follow::Yes));
                    logs.append_line(&app("other"), of_app("web.1", "x"));
                }
            });
        }
    });
    let mut next = BTreeMap::new();
    while let Some(line) = tail.next_ready_line() {
        let seen: &mut usize = next.entry(line.source.to_string()).or_default();
        assert_eq!(line.text, seen.to_string());
        *seen += 1;
    }
    assert_eq!(next.len(), WRITERS);
    assert!(next.values().all(|seen| *seen == LINES));
    assert_eq!(read_now(&logs, "other"), WRITERS * LINES);
}

/// Unicode's bidirectional controls could make a line look like a different line.
#[test]
fn bidirectional_controls_are_escaped() {
    for (c, shown) in [
        ('\u{202e}', "\\u{202e}"),
        ('\u{2066}', "\\u{2066}"),
        ('\u{200f}', "\\u{200f}"),
        ('\u{61c}', "\\u{61c}"),
    ] {
        let line = line(AppLogSource::Api, format!("deploy {c}txt.exe – é ع"));
        assert_eq!(
            line.escape_controls().text,
            format!("deploy {shown}txt.exe – é ع")
        );
    }
}

//! `--watch`: a change is built and swapped in without a lost request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use testkit::{DemoApp, DynoProcess, ExampleApp, HttpReply};

/// Number of clients that send requests without a pause.
const CLIENTS: usize = 3;
const WHICH: &str = "/env/RELEASE_VERSION";

/// Sends requests while `work` runs; all of them must succeed. Returns the versions that answered, client by client:
/// they never fall, except between the two versions that are served side by side during a swap.
fn under_load(local: &DynoProcess, work: impl FnOnce()) -> Vec<String> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ask = || {
            let mut replies: Vec<HttpReply> = Vec::new();
            while !over.load(Ordering::Relaxed) {
                replies.push(local.get(WHICH));
                thread::sleep(Duration::from_millis(2));
            }
            replies
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        work();
        over.store(true, Ordering::Relaxed);
        let mut releases = Vec::new();
        for reply in clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
        {
            assert_eq!((reply.status, reply.complete), (200, true), "{reply:?}");
            releases.push(reply.text());
        }
        releases
    })
}

#[test]
fn a_change_is_swapped_in_without_a_lost_request() {
    let demo = DemoApp::from_guest("good");
    let local = demo.start_local(&["web=2", "--watch"]);
    local.wait_for_line("watching", |line| line.contains("Watching"));
    let up = |mark| {
        local.wait_for_line_after(mark, "the new release", |line| line.contains("demo is up"))
    };
    let releases = under_load(&local, || {
        let mark = local.line_count();
        demo.replace_component("good3");
        up(mark);
        thread::sleep(Duration::from_millis(100));
        let mark = local.line_count();
        demo.write_file("app.wasm", "broken");
        local.wait_for_line_after(mark, "the error", |line| {
            line.contains("not a WebAssembly file")
        });
        local.wait_for_line_after(mark, "what goes on", |line| {
            line.contains("what was there before")
        });
        assert_eq!(local.get(WHICH).text(), "v2");
        let mark = local.line_count();
        demo.replace_component("good");
        up(mark);
        assert_eq!(local.get(WHICH).text(), "v3");
    });
    // The third version is up since a moment.
    for version in ["v1", "v2"] {
        assert!(
            releases.iter().any(|release| release == version),
            "none by {version}"
        );
    }
    assert!(local.stop().success());
}

#[test]
fn variables_are_read_again_after_a_change() {
    let demo = DemoApp::from_guest("good");
    demo.write_file(".env", "A=1\n");
    let local = demo.start_local(&["--watch"]);
    local.wait_for_line("watching", |line| line.contains("Watching"));
    assert_eq!(local.get("/env/A").text(), "1");
    let mark = local.line_count();
    demo.write_file(".env", "A=2\n");
    local.wait_for_line_after(mark, "the new release", |line| line.contains("demo is up"));
    assert_eq!(local.get("/env/A").text(), "2");
    assert!(local.stop().success());
}

#[test]
fn a_rust_app_is_built_again() {
    let hello = ExampleApp::copy_from_repository("hello");
    let page = hello.folder.join("src/page.html");
    let local = DynoProcess::start_local(&hello.folder, &["--watch"]);
    local.wait_for_line("watching", |line| line.contains("Watching"));
    let mark = local.line_count();
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, format!("{text}<p>changed</p>")).unwrap();
    local.wait_for_line_after(mark, "the new release", |line| line.contains("hello is up"));
    assert!(local.get("/").text().contains("<p>changed</p>"));
    let mark = local.line_count();
    std::fs::write(hello.folder.join("src/lib.rs"), "not Rust").unwrap();
    local.wait_for_line_after(mark, "what rustc says", |line| line.starts_with("error"));
    local.wait_for_line_after(mark, "what goes on", |line| {
        line.contains("what was there before")
    });
    assert!(local.get("/").text().contains("<p>changed</p>"));
    assert!(local.stop().success());
}

//! The Go app of `site/main.go`, with the files that it reads.
//!
//! Must not know what is tested with it.

use testkit::DynoProcess;

use crate::app_folder::App;

const FILES: [(&str, &str); 5] = [
    ("go.mod", "module example.com/site\n\ngo 1.22\n"),
    ("main.go", include_str!("site/main.go")),
    ("page.html", include_str!("site/page.html")),
    ("static/page.txt", "a file of the app\n"),
    (".env", "TICKS=on\n"),
];

/// Builds the app, and runs it with one dyno.
#[track_caller]
pub(crate) fn start() -> DynoProcess {
    App::new(&FILES).run(&[])
}

/// Builds the app, whose goroutine for the ticks ends at once, and runs it with one dyno.
#[track_caller]
pub(crate) fn start_idle() -> DynoProcess {
    App::new(&FILES[..4]).run(&[])
}

/// Checks that the app's one instance has answered `before` requests and goes on.
#[track_caller]
pub(crate) fn assert_goes_on(local: &DynoProcess, before: usize) {
    assert_eq!(local.get("/served").text(), (before + 1).to_string());
}

/// Checks that no dyno crashed or started again.
#[track_caller]
pub(crate) fn assert_no_crash(local: &DynoProcess) {
    let told = local.lines();
    let odd = |line: &&String| {
        let words = ["rashed", "afresh", "wasm backtrace", "fatal error"];
        words.iter().any(|word| line.contains(word))
    };
    assert_eq!(told.iter().find(odd), None);
}

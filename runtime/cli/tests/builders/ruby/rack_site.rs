//! The Rack app of `rack_site.ru`, with the files that it reads.
//!
//! Must not know what is tested with it.

use testkit::DynoProcess;

use crate::app_folder::App;

const FILES: [(&str, &str); 5] = [
    ("config.ru", include_str!("rack_site.ru")),
    ("Gemfile", "gem \"rack\"\n"),
    ("words.txt", "grüße"),
    ("public/assets/page.txt", "a file of the app\n"),
    (".env", "GREETING=servus\n"),
];

/// Builds the app, and runs it with one dyno.
#[track_caller]
pub(crate) fn start() -> DynoProcess {
    App::new(&FILES).run(&[])
}

/// Checks that the app's one instance has answered `before` requests and goes on.
#[track_caller]
pub(crate) fn assert_goes_on(local: &DynoProcess, before: usize) {
    assert_eq!(local.get("/").text(), format!("{} web.1", before + 1));
}

/// Checks that no dyno crashed or started again, and that the engine wrote nothing.
#[track_caller]
pub(crate) fn assert_no_crash(local: &DynoProcess) {
    let told = local.lines();
    let odd = |line: &&String| {
        let words = ["rashed", "afresh", "wasm backtrace", "panicked"];
        words.iter().any(|word| line.contains(word))
    };
    assert_eq!(told.iter().find(odd), None);
}

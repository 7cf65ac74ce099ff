//! Apps in Python.

mod apps;
mod asgi;
mod asgi_frameworks;
mod client;
mod django;
mod example_blog;
mod projects;
mod runtime;

/// Checks that there is at most one traceback, with frames of the app's `file` only, and no output of the engine.
#[track_caller]
fn check_traceback(told: &str, file: &str) {
    let tracebacks = told.matches("Traceback (most recent").count();
    assert!(tracebacks <= 1, "{told}");
    let frames = told.matches("File \"").count();
    let own = told.matches(&format!("File \"{file}\"")).count();
    assert_eq!(frames, own, "{told}");
    let engine = [
        "backtrace",
        "wasm",
        "panicked",
        "dyno_",
        "rashed",
        "never retrieved",
    ];
    for word in engine {
        assert!(!told.contains(word), "{word} in {told}");
    }
}

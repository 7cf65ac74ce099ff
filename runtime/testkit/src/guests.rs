//! Paths of built guest programs: the repository's own, and components of other toolchains.
//!
//! `./test` builds the guests and names their folders in the environment; without it they are built here. Must not know
//! what a guest does.

use std::path::PathBuf;
use std::process::Command;

use crate::folders::repository;

/// The component of a test guest, by the name of its program.
pub fn guest_path(name: &str) -> PathBuf {
    let folder = std::env::var_os("DYNO_TEST_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        let target = repository().join("target/guests");
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--target",
                "wasm32-wasip2",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(repository().join("runtime/dyno/tests/guests"))
            .status();
        assert!(status.unwrap().success(), "the test guests do not build");
        target.join("wasm32-wasip2/release")
    });
    let file = folder.join(format!("{name}.wasm"));
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// The core module of a test guest that speaks WASI preview 1, by the name of its program.
pub fn core_guest_path(name: &str) -> PathBuf {
    let components = guest_path("good");
    let target = components.ancestors().nth(3).unwrap();
    let file = target.join(format!("wasm32-wasip1/release/{name}.wasm"));
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// A component of another toolchain: `wstd`, `p3`, `axum`, `js` or `py`.
pub fn foreign_guest_path(name: &str) -> PathBuf {
    let folder = std::env::var_os("DYNO_TEST_FOREIGN").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        let target = repository().join("target/foreign");
        let build = repository().join("runtime/dyno/tests/guests/foreign/build");
        let status = Command::new(build).arg(&target).arg(name).status();
        assert!(
            status.unwrap().success(),
            "the foreign component {name} does not build"
        );
        target
    });
    folder.join(format!("{name}.wasm"))
}

/// Compiles a test guest that is written as text, by its name.
pub fn compile_wat(name: &str) -> Vec<u8> {
    let text = repository().join(format!("runtime/dyno/tests/guests/wat/{name}.wat"));
    wat::parse_file(text).unwrap()
}

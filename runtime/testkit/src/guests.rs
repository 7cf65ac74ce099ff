//! Paths of built guest programs: those of the repository, and those of other toolchains. What is missing is built.

use std::path::PathBuf;
use std::process::Command;

use crate::folders::repository;

/// A test guest by its name, built now if it is not there.
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

/// A test guest that speaks WASI preview 1, a core module, by its name.
pub fn core_guest_path(name: &str) -> PathBuf {
    let components = guest_path("good");
    let target = components.ancestors().nth(3).unwrap();
    let file = target.join(format!("wasm32-wasip1/release/{name}.wasm"));
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// A component made by other people's toolchains, by its name: `wstd`, `p3`, `axum`, `js`, `py`.
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

/// The bytes of a test guest that is written as text, by its name.
pub fn compile_wat(name: &str) -> Vec<u8> {
    let text = repository().join(format!("runtime/dyno/tests/guests/wat/{name}.wat"));
    wat::parse_file(text).unwrap()
}

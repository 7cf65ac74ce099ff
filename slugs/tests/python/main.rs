//! Runs the Python tests of the Python shim with the Python of this machine, without a component.

use std::path::Path;
use std::process::Command;

#[test]
fn wsgi_of_the_shim_follows_pep_3333() {
    python("test_wsgi");
}

#[test]
fn a_command_line_is_parsed_like_that_of_python() {
    python("test_command");
}

#[test]
fn programs_that_start_a_server_are_served() {
    python("test_serve");
}

#[test]
fn password_hashes_equal_those_of_openssl() {
    python("test_hash");
}

/// Runs one test file of this folder.
#[track_caller]
fn python(tests: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .args(["-m", "unittest", tests])
        .current_dir(root.join("tests/python"))
        .env("PYTHONPATH", root.join("src/build/python/shim"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 is needed, as it is to build Python apps");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Ran 0 tests"), "{told}");
}

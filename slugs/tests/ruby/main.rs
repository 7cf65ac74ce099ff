//! Runs the Ruby tests of the Ruby shim with the Ruby of this machine, without a component.

use std::path::Path;
use std::process::Command;

#[test]
fn a_request_body_is_read_like_a_stringio() {
    ruby("test_input.rb");
}

/// Runs one test file of this folder.
#[track_caller]
fn ruby(tests: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("ruby")
        .arg(root.join("tests/ruby").join(tests))
        .arg(root.join("src/build/ruby/shim"))
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("ruby is needed, as it is to install the gems of Ruby apps");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "passed\n");
}

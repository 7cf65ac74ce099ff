//! The API against its own document: schemathesis sends requests of all kinds, good and bad, and compares the responses
//! with the document that the server serves.
//!
//! Left out are log tails, and the two streams of an attached dyno: they do not end by themselves.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use testkit::ServerRig;
use testkit::servers::Memcached;

/// The checks of every response.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";
/// Random requests for each operation, in addition to examples and boundary values.
const EXAMPLES: &str = "40";
/// A lower number of requests means that an operation was skipped.
const CASES_MIN: u32 = 1_000;

/// The program, installed by `./test`.
fn schemathesis() -> PathBuf {
    let place = std::env::var_os("DYNO_TEST_SCHEMATHESIS");
    place.map(PathBuf::from).unwrap_or_else(|| {
        panic!("DYNO_TEST_SCHEMATHESIS names no program: ./test installs it and sets the variable")
    })
}

#[test]
fn every_api_response_conforms_to_the_document() {
    let rig = ServerRig::new();
    let cache = Memcached::start();
    let mut command = rig.serve_command(&rig.data_folder(), &[]);
    let server = rig.start_command(command.env("DYNO_SERVICE_MEMCACHED", cache.address()));
    server.create_app("shop", &rig.build_slug("good", "one"));
    let said = Command::new(schemathesis())
        .arg("run")
        .arg(format!("http://127.0.0.1:{}/v1/openapi.json", server.api))
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", rig.admin_token()))
        .args(["--checks", CHECKS, "--max-examples", EXAMPLES])
        .args(["--phases", "examples,coverage,fuzzing", "--seed", "1"])
        .args([
            "--exclude-path-regex",
            "/(logs|output|input)$",
            "--request-timeout",
            "30",
        ])
        .args(["--no-color", "--generation-database", "none"])
        .current_dir(rig.home().folder_path())
        .stdin(Stdio::null())
        .output()
        .expect("schemathesis runs");
    let out = String::from_utf8_lossy(&said.stdout);
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{out}\n{err}");
    let cases = out
        .lines()
        .find_map(|line| line.trim().split_once(" generated, "));
    let (generated, passed) = cases.expect("a summary");
    assert_eq!(passed, format!("{generated} passed"), "{out}");
    assert!(generated.parse::<u32>().unwrap() > CASES_MIN, "{out}");
    // The server still works.
    assert_eq!(server.request_without_token("GET", "/readyz").status, 200);
    assert!(server.stop().success());
}

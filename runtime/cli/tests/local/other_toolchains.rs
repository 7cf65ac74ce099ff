//! Components of other toolchains, made without this platform in mind, run unchanged.

use std::fs;

use testkit::{DynoProcess, file_names, foreign_guest_path, scratch_folder};

/// Size of the echoed body, in bytes.
const BODY_BYTES: usize = 300 * 1024;

fn runs_unchanged(name: &str) {
    let env = tempfile::NamedTempFile::new_in(scratch_folder()).unwrap();
    fs::write(env.path(), "GREETING='from a file'\n").unwrap();
    let file = foreign_guest_path(name);
    let before = file_names(file.parent().unwrap());
    let local = DynoProcess::start_local(&file, &["-e", env.path().to_str().unwrap()]);
    let get = |path: &str| {
        let reply = local.get(path);
        assert_eq!(
            (reply.status, reply.complete),
            (200, true),
            "{path}: {reply:?}"
        );
        reply.text()
    };
    assert!(get("/").contains("hello"));
    assert_eq!(get("/env/GREETING").trim(), "from a file");
    assert_eq!(get("/env/DYNO").trim(), "web.1");
    assert_eq!(local.get("/env/HOSTNAME").status, 404);
    assert!(get("/file").contains("written"));
    let body: Vec<u8> = (0..BODY_BYTES).map(|i| (i % 251) as u8).collect();
    let reply = local.post("/echo", &body);
    assert_eq!((reply.status, reply.complete), (200, true));
    assert!(reply.body == body, "{} bytes came back", reply.body.len());
    assert!(get("/").contains("hello"), "it goes on serving");
    assert!(local.stop().success());
    assert_eq!(file_names(file.parent().unwrap()), before);
}

#[test]
fn a_component_of_wstd_runs() {
    runs_unchanged("wstd");
}

#[test]
fn a_component_of_wasi_0_3_runs() {
    runs_unchanged("p3");
}

#[test]
fn a_component_of_componentize_js_runs() {
    runs_unchanged("js");
}

#[test]
fn a_component_of_componentize_py_runs() {
    runs_unchanged("py");
}

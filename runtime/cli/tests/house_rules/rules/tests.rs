//! The rules can fail: each on a small input that breaks it, and on one that does not.

use serde_json::Value;

use super::*;

fn file(path: &str, text: impl Into<String>) -> [File; 1] {
    let (path, text) = (path.to_owned(), text.into());
    [File { path, text }]
}

#[test]
fn a_wrong_edge_is_found() {
    let package = |name: &str, on: &[(&str, Value)]| {
        let on = on
            .iter()
            .map(|(on, kind)| serde_json::json!({"name": on, "kind": kind}));
        let on: Vec<Value> = on.collect();
        serde_json::json!({"name": name, "manifest_path": "none", "dependencies": on})
    };
    let (normal, dev) = (Value::Null, Value::from("dev"));
    let sound = [
        package(
            "grid",
            &[("serde", normal.clone()), ("proptest", dev.clone())],
        ),
        package("router", &[("grid", normal.clone())]),
    ];
    assert_eq!(edges(&serde_json::json!({"packages": sound})), [""; 0]);
    let wrong = [
        package(
            "grid",
            &[("tokio", normal.clone()), ("router", dev.clone())],
        ),
        package(
            "router",
            &[("wasmtime-wasi", dev.clone()), ("benches", dev)],
        ),
        package("benches", &[("grid", normal)]),
        package("extra", &[]),
    ];
    assert_eq!(edges(&serde_json::json!({"packages": wrong})).len(), 6);
}

#[test]
fn long_files_and_functions_are_found() {
    let long = format!(
        "fn long() {{\n{}}}\n",
        "    a();\n".repeat(FUNCTION_LINES_MAX)
    );
    let report = function_sizes(&file("a/src/lib.rs", &*long));
    assert_eq!(
        report.len(),
        2,
        "one too long, and so the 90th percentile: {report:?}"
    );
    assert!(
        report[0].starts_with("a/src/lib.rs:1: fn long has 72 lines"),
        "{report:?}"
    );
    assert!(function_sizes(&file("a/tests/x.rs", &*long)).is_empty());
    let test = format!("#[cfg(test)]\nmod tests {{ {long} }}\n");
    assert!(function_sizes(&file("a/src/lib.rs", test)).is_empty());
    let lines = "//!\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(file_sizes(&file("a/tests/x.rs", &*lines)).len(), 1);
    assert_eq!(
        file_sizes(&file("a/src/x.rs", lines)).len(),
        2,
        "and so the median"
    );
}

#[test]
fn leftovers_are_found() {
    let source = "// XXX\nfn f() { todo!() }\n#[ignore = \"slow\"]\n/* FIXME: */ let s = \"dbg!(XXX)\"; my_todo!()";
    assert_eq!(leftovers(&file("a.rs", source)).len(), 4);
    assert_eq!(
        headers(&file("a.rs", source)),
        ["a.rs:1: does not open with `//!`"]
    );
    let source = "// unsafe\n#![deny(unsafe_code)]\nunsafe { f() }";
    assert_eq!(unsafe_code(&file("a.rs", source)), ["a.rs:3: `unsafe`"]);
    assert!(unsafe_code(&file(UNSAFE_FILES[0], source)).is_empty());
}

#[test]
fn a_guest_without_a_test_is_found() {
    let guests = [
        "p2/src/bin/spin.rs",
        "p2/src/bin/good/main.rs",
        "p2/src/bin/good/a.rs",
        "wat/b.wat",
    ];
    let mut files: Vec<File> = guests
        .iter()
        .flat_map(|path| file(&format!("{GUESTS}{path}"), ""))
        .collect();
    assert_eq!(guests_without_test(&files).len(), 3);
    files.extend(file(
        "runtime/dyno/tests/all.rs",
        "// \"good\"\nrun(\"spin\"); text(\"wat/b.wat\")",
    ));
    let left = format!("{GUESTS}p2/src/bin/good/main.rs:1: no host test names the guest \"good\"");
    assert_eq!(guests_without_test(&files), [left]);
}

#[test]
fn machines_and_registries_are_found() {
    // Put together here: the rule holds for this file too.
    let host = ["pypi", "org"].join(".");
    let wrong = format!("cd /work/main\nhttps://{host}/simple\n\"/root/.cargo\"\n");
    assert_eq!(machine_names(&file("a.sh", &wrong)).len(), 3);
    let sound = format!("$work/work/x ../root/y {{}}/work/z net/work/ https://my-{host}s/");
    assert_eq!(machine_names(&file("a.sh", &sound)), [""; 0]);
}

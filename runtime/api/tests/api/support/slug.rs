//! Slugs made of small components.

use std::path::Path;

/// A component that exports an empty interface of this name.
fn component(export: &str) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    let mut section = |id: u8, contents: &[u8]| {
        bytes.push(id);
        bytes.push(u8::try_from(contents.len()).expect("short"));
        bytes.extend_from_slice(contents);
    };
    // An empty instance, and its export.
    section(5, &[1, 1, 0]);
    let mut contents = vec![1, 0, u8::try_from(export.len()).expect("short")];
    contents.extend_from_slice(export.as_bytes());
    contents.extend_from_slice(&[5, 0, 0]);
    section(11, &contents);
    bytes
}

/// Packs `files` into a slug. Returns the id and the bytes.
pub(crate) fn of(files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let source = tempfile::tempdir().expect("a folder");
    for (name, contents) in files {
        std::fs::write(source.path().join(name), contents).expect("a file");
    }
    let tools = slugs::build::Tools::attached(source.path().join("tools"));
    let built = slugs::build::build(source.path(), &tools, &mut |_| {}).expect("an app");
    let place = tempfile::tempdir().expect("a folder");
    let packed = slugs::pack::pack(&built, &Path::new(place.path()).join("app.slug"));
    let packed = packed.expect("a slug");
    let bytes = std::fs::read(&packed.file).expect("a file");
    (packed.slug.id().to_string(), bytes)
}

/// An app with one handler. A different text makes a different slug.
pub(crate) fn handler(text: &str) -> (String, Vec<u8>) {
    let web = component("wasi:http/incoming-handler@0.2.6");
    of(&[("web.wasm", &web), ("notes.txt", text.as_bytes())])
}

/// An app with a handler and a one-off task.
pub(crate) fn with_task(text: &str) -> (String, Vec<u8>) {
    let web = component("wasi:http/incoming-handler@0.2.6");
    let task = component("wasi:cli/run@0.2.6");
    of(&[
        ("web.wasm", &web),
        ("task.wasm", &task),
        ("Procfile", b"web: web.wasm\ntask: task.wasm\n"),
        ("notes.txt", text.as_bytes()),
    ])
}

/// An app with a handler and a worker, and with a default and a required config var.
pub(crate) fn with_worker() -> (String, Vec<u8>) {
    let web = component("wasi:http/incoming-handler@0.2.6");
    let worker = component("wasi:cli/run@0.2.6");
    let app = br#"{"env": {"GREETING": {"value": "hi", "required": false}, "NEEDED": {"required": true}}}"#;
    of(&[
        ("web.wasm", &web),
        ("worker.wasm", &worker),
        ("Procfile", b"web: web.wasm\nworker: worker.wasm\n"),
        ("app.json", app),
    ])
}

/// An app whose `web` is a server component.
pub(crate) fn listener() -> (String, Vec<u8>) {
    of(&[("web.wasm", &component("wasi:cli/run@0.2.6"))])
}

//! Untrusted `slug.json` files: only manifests that packing could have written are accepted.

use serde_json::{Value, json};
use slugs::Manifest;
use slugs::manifest::CommandProgram;
use slugs::pack::{PackedSlug, pack};
use slugs::verify::verify;

use crate::support::archive::{self, Tar, good, with_manifest};
use crate::support::{App, chain, wasm};

fn refuses(what: &str, slug: &[u8], says: &str) {
    let text = chain(&verify(slug).map(drop).expect_err(what));
    assert!(
        text.contains("slug.json") && text.contains(says),
        "{what}: `{text}` should say `{says}`"
    );
}

#[test]
fn a_packed_manifest_is_read_back() {
    let (_, packed) = App::hello()
        .file("Procfile", "web: web.wasm --port $PORT 'a b'")
        .pack();
    let manifest = packed.slug.manifest();
    assert_eq!(
        &Manifest::from_json(&manifest.to_json()).expect("its own text"),
        manifest
    );
}

#[test]
fn manifests_in_other_than_canonical_form_are_refused() {
    let text = |change: &dyn Fn(&mut String)| {
        let files = archive::files();
        let named: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_slice()))
            .collect();
        let mut text = String::from_utf8(archive::text(&archive::manifest(&named))).expect("JSON");
        change(&mut text);
        Tar::default().file("slug.json", text.as_bytes()).slug()
    };
    refuses("a space", &text(&|text| text.push(' ')), "canonical");
    refuses(
        "a key twice",
        &text(&|text| *text = text.replace("{\"format\":1", "{\"format\":1,\"format\":1")),
        "cannot be read",
    );
    refuses(
        "an escape",
        &text(&|text| *text = text.replace("web.wasm", "web\\u002ewasm")),
        "canonical",
    );
    refuses(
        "a file twice",
        &text(&|text| {
            *text = text.replace(
                "\"files\":{",
                &format!("\"files\":{{\"notes.txt\":{},", archive::record(b"")),
            )
        }),
        "canonical",
    );
    refuses(
        "an unknown field",
        &text(&|text| *text = text.replace("{\"format\"", "{\"extra\":1,\"format\"")),
        "cannot be read",
    );
    refuses(
        "another version",
        &text(&|text| *text = text.replace("\"format\":1", "\"format\":3")),
        "has format 3",
    );
    refuses(
        "a newer version than it needs",
        &text(&|text| *text = text.replace("\"format\":1", "\"format\":2")),
        "canonical",
    );
    refuses(
        "no JSON",
        &text(&|text| *text = "[".repeat(100_000)),
        "cannot be read",
    );
    refuses(
        "an upper-case digest",
        &text(&|text| *text = text.replace("\"sha256\":\"", "\"sha256\":\"A")),
        "cannot be read",
    );
}

/// A change of a manifest.
type Change = fn(&mut Value);

fn refuses_all(cases: &[(&str, Change, &str)]) {
    for (what, change, says) in cases {
        refuses(what, &with_manifest(change), says);
    }
}

#[test]
fn invalid_process_types_are_refused() {
    let unread = "cannot be read";
    refuses_all(&[
        (
            "none",
            |m| m["processes"] = json!({}),
            "names no process type",
        ),
        ("a bad name", |m| m["processes"]["Web!"] = web(m), unread),
        (
            "absent component",
            |m| set(m, "component", json!("gone.wasm")),
            "`web` runs `gone.wasm`",
        ),
        (
            "climbing component",
            |m| set(m, "component", json!("../x.wasm")),
            unread,
        ),
        (
            "unknown world",
            |m| set(m, "world", json!("wasi:http/handler@9.0")),
            unread,
        ),
        ("unknown kind", |m| set(m, "kind", json!("root")), unread),
        (
            "memory",
            |m| set(m, "limits", json!({"memory_bytes": 1_u64 << 60})),
            "from 1MiB to 4GiB",
        ),
        (
            "no timeout",
            |m| set(m, "limits", json!({"timeout_ms": 0})),
            "from 1s to 10m",
        ),
        (
            "an argument",
            |m| set(m, "args", json!(["$("])),
            "an argument",
        ),
        (
            "arguments",
            |m| set(m, "args", json!(vec!["x"; 300])),
            "arguments is over its limit",
        ),
    ]);
}

#[test]
fn other_invalid_fields_are_refused() {
    let unread = "cannot be read";
    refuses_all(&[
        (
            "formation of nothing",
            |m| m["formation"]["clock"] = json!(1),
            "`clock`",
        ),
        (
            "a vast formation",
            |m| m["formation"]["web"] = json!(100_000),
            "over its limit",
        ),
        (
            "climbing file",
            |m| m["files"]["../x"] = archive::record(b""),
            unread,
        ),
        (
            "a file as folder",
            |m| m["files"]["notes.txt/x"] = archive::record(b""),
            "both a file and a folder",
        ),
        (
            "a forged builder",
            |m| m["builder"]["name"] = json!("rust\u{1b}[2J"),
            "a builder",
        ),
    ]);
    assert!(verify(good().slug().as_slice()).is_ok());
}

/// A slug whose builder adds command words.
fn with_commands(words: &[(&str, &str)]) -> PackedSlug {
    let app = App::hello()
        .file("tool.wasm", wasm::command_02())
        .file("Procfile", "web: web.wasm\n");
    let mut built = app.built();
    for (word, component) in words {
        let program = CommandProgram {
            component: component.parse().expect("a path"),
            args: vec!["-m".to_owned(), "$HOME".to_owned()],
        };
        built.command_words.insert((*word).to_owned(), program);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    pack(&built, &folder.path().join("app.slug"))
        .unwrap_or_else(|error| panic!("{}", chain(&error)))
}

#[test]
fn only_command_words_raise_the_format_number() {
    let without = with_commands(&[]).slug.manifest().clone();
    let text = String::from_utf8(without.to_json()).expect("JSON");
    assert!(
        text.starts_with("{\"format\":1,") && !text.contains("commands"),
        "{text}"
    );
    let with = with_commands(&[("python", "tool.wasm")])
        .slug
        .manifest()
        .clone();
    let text = String::from_utf8(with.to_json()).expect("JSON");
    let commands = ",\"commands\":{\"python\":{\"component\":\"tool.wasm\",\"args\":[\"-m\",\"$HOME\"]}},\"formation\"";
    assert!(
        text.starts_with("{\"format\":2,") && text.contains(commands),
        "{text}"
    );
    assert_eq!(
        Manifest::from_json(&with.to_json()).expect("its own text"),
        with
    );
    assert_eq!(
        with.runnable_words(),
        ["python"],
        "the handler does not run by itself"
    );
    let older = text.replace("\"format\":2", "\"format\":1");
    let error = Manifest::from_json(older.as_bytes()).expect_err("an older form");
    assert!(error.to_string().contains("canonical"), "{error}");
}

#[test]
fn invalid_command_words_are_refused() {
    let command = |component: &str| json!({"component": component, "args": []});
    let of = |word: &str, value: Value| {
        with_manifest(|m: &mut Value| {
            m["format"] = json!(2);
            m["commands"] = json!({word: value.clone()});
        })
    };
    refuses(
        "an absent component",
        &of("python", command("gone.wasm")),
        "`python` runs `gone.wasm`",
    );
    refuses(
        "a bad word",
        &of("rm -rf", command("web.wasm")),
        "a command word",
    );
    refuses(
        "an empty word",
        &of("", command("web.wasm")),
        "a command word",
    );
    let many = json!({"component": "web.wasm", "args": vec!["x"; 300]});
    refuses(
        "arguments",
        &of("python", many),
        "arguments is over its limit",
    );
    let handler = verify(of("python", command("web.wasm")).as_slice()).map(drop);
    let error = chain(&handler.expect_err("it only answers requests"));
    assert!(
        error.contains("`web.wasm` cannot be run as `python`"),
        "{error}"
    );
}

fn web(manifest: &Value) -> Value {
    manifest["processes"]["web"].clone()
}

fn set(manifest: &mut Value, field: &str, value: Value) {
    manifest["processes"]["web"][field] = value;
}

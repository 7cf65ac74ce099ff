//! `slug.json` from a stranger: only what packing writes is read.

use serde_json::json;
use slugs::Manifest;
use slugs::verify::verify;

use crate::support::archive::{self, Tar, good, with_manifest};
use crate::support::{App, chain};

fn refuses(what: &str, slug: &[u8], says: &str) {
    let text = chain(&verify(slug).map(drop).expect_err(what));
    assert!(
        text.contains("slug.json") && text.contains(says),
        "{what}: `{text}` should say `{says}`"
    );
}

#[test]
fn what_packing_writes_is_read_again() {
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
fn other_forms_of_the_same_are_refused() {
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
        &text(&|text| *text = text.replace("\"format\":1", "\"format\":2")),
        "has format 2",
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

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(&str, fn(&mut serde_json::Value), &str); 15] = [
        (
            "absent component",
            |m| m["processes"]["web"]["component"] = json!("gone.wasm"),
            "`web` runs `gone.wasm`",
        ),
        (
            "climbing component",
            |m| m["processes"]["web"]["component"] = json!("../x.wasm"),
            "cannot be read",
        ),
        (
            "no process",
            |m| m["processes"] = json!({}),
            "names no process type",
        ),
        (
            "a bad process type",
            |m| m["processes"]["Web!"] = m["processes"]["web"].clone(),
            "cannot be read",
        ),
        (
            "unknown world",
            |m| m["processes"]["web"]["world"] = json!("wasi:http/handler@9.0"),
            "cannot be read",
        ),
        (
            "unknown kind",
            |m| m["processes"]["web"]["kind"] = json!("root"),
            "cannot be read",
        ),
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
            "memory",
            |m| m["processes"]["web"]["limits"] = json!({"memory_bytes": 1_u64 << 60}),
            "from 1MiB to 4GiB",
        ),
        (
            "no timeout",
            |m| m["processes"]["web"]["limits"] = json!({"timeout_ms": 0}),
            "from 1s to 10m",
        ),
        (
            "climbing file",
            |m| m["files"]["../x"] = archive::record(b""),
            "cannot be read",
        ),
        (
            "a file as folder",
            |m| m["files"]["notes.txt/x"] = archive::record(b""),
            "both a file and a folder",
        ),
        (
            "an argument",
            |m| m["processes"]["web"]["args"] = json!(["$("]),
            "an argument",
        ),
        (
            "arguments",
            |m| m["processes"]["web"]["args"] = json!(vec!["x"; 300]),
            "arguments is over its limit",
        ),
        (
            "a forged builder",
            |m| m["builder"]["name"] = json!("rust\u{1b}[2J"),
            "a builder",
        ),
    ];
    for (what, change, says) in cases {
        refuses(what, &with_manifest(change), says);
    }
    assert!(verify(good().slug().as_slice()).is_ok());
}

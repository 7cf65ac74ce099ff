//! `dyno slug inspect`: checks the whole slug, then shows it.

use std::fs;

use crate::command_folder::Place;

fn built() -> Place {
    let place = Place::new();
    place
        .app("shop")
        .write("shop/page.html", "<p>")
        .write("shop/Procfile", "web: app.wasm --fast\n");
    place.write(
        "shop/dyno.toml",
        "[limits]\nmemory = \"64MiB\"\n[formation]\nweb = 3\n",
    );
    place.run(&["build", "shop", "-o", "shop.slug"]).ok();
    place
}

#[test]
fn inspect_prints_processes_worlds_sizes_and_digests() {
    let place = built();
    let text = place.run(&["slug", "inspect", "shop.slug"]).ok();
    for part in [
        "shop.slug",
        "id       sha256:",
        "size     ",
        "unpacked",
        "web",
        "handler",
        "wasi:http/incoming-handler@0.2",
        "app.wasm --fast",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let json = place
        .run(&["slug", "inspect", "shop.slug", "--json"])
        .json();
    let digest = json["processes"]["web"]["sha256"].as_str().unwrap();
    let digest = digest.trim_start_matches("sha256:");
    assert!(text.contains(&digest[..12]), "{text}");
    assert!(text.contains(json["id"].as_str().unwrap()), "{text}");
}

#[test]
fn inspect_as_json_has_all_fields() {
    let place = built();
    let json = place
        .run(&["slug", "inspect", "--json", "shop.slug"])
        .json();
    let web = &json["processes"]["web"];
    assert_eq!(web["kind"], "handler");
    assert_eq!(web["world"], "wasi:http/incoming-handler@0.2");
    assert_eq!(web["args"], serde_json::json!(["--fast"]));
    assert_eq!(
        web["bytes"],
        fs::metadata(place.path("shop/app.wasm")).unwrap().len()
    );
    assert_eq!(json["formation"]["web"], 3);
    assert_eq!(
        json["bytes"],
        fs::metadata(place.path("shop.slug")).unwrap().len()
    );
    let file = &json["files"]["page.html"];
    assert_eq!(file["bytes"], 3);
    assert!(file["sha256"].is_string(), "{file}");
    assert_eq!(web["limits"]["memory_bytes"], 64 << 20);
}

#[test]
fn a_colon_separates_group_and_command() {
    let place = built();
    let with = place.run(&["slug:inspect", "shop.slug", "--json"]).json();
    assert_eq!(
        with,
        place
            .run(&["slug", "inspect", "shop.slug", "--json"])
            .json()
    );
}

#[test]
fn damaged_slugs_are_refused() {
    let place = built();
    let sound = fs::read(place.path("shop.slug")).unwrap();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases = [
        ("flipped in the middle", flipped(sound.len() / 2)),
        ("flipped at the end", flipped(sound.len() - 1)),
        ("flipped at the beginning", flipped(0)),
        ("cut", sound[..sound.len() - 100].to_vec()),
        ("longer", [&sound[..], b"more"].concat()),
        ("empty", Vec::new()),
        ("text", b"not a slug".to_vec()),
    ];
    for (name, bytes) in cases {
        place.write("bad.slug", bytes);
        let text = place.run(&["slug", "inspect", "bad.slug"]).failed();
        assert!(
            text.starts_with("error: bad.slug is not a sound slug\n  because: "),
            "{name}: {text}"
        );
    }
    let text = place.run(&["slug", "inspect", "absent.slug"]).failed();
    assert!(
        text.contains("absent.slug") && text.contains("No such file"),
        "{text}"
    );
}

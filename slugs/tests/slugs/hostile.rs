//! Hostile archives: each is refused as a whole, with an error that names the entry, and leaves no file.

use std::io::{Read, Write};

use serde_json::json;
use slugs::store::Store;
use slugs::verify::verify;
use tar::EntryType;
use zstd::stream::write::Encoder;

use crate::support::archive::{self, Tar, begun, good, with_manifest};
use crate::support::{chain, files_below, wasm};

/// Checks that an archive is refused by `verify` and by a store, for the reason given, and that the store stays empty.
pub(crate) fn refuses(what: &str, slug: &[u8], says: &[&str]) {
    let error = verify(slug).map(drop).expect_err(what);
    let text = chain(&error);
    for part in says {
        assert!(text.contains(part), "{what}: `{text}` should say `{part}`");
    }
    let place = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(place.path()).expect("a store");
    assert!(store.put(slug).is_err(), "{what}: the store took it");
    assert_eq!(
        files_below(place.path()),
        Vec::<std::path::PathBuf>::new(),
        "{what}: something is left"
    );
}

#[test]
fn the_unmodified_archive_is_accepted() {
    let slug = good().slug();
    let checked = verify(slug.as_slice()).unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(checked.manifest().files.len(), 2);
    assert_eq!(checked.bytes(), slug.len() as u64);
}

#[test]
fn files_that_are_no_archive_are_refused() {
    refuses("nothing", b"", &["cut off"]);
    refuses("text", b"hello, world; this is no slug at all", &["zstd"]);
    refuses(
        "an empty frame",
        &archive::compressed(b""),
        &["cut off at `slug.json`"],
    );
    refuses(
        "only an end",
        &Tar::default().slug(),
        &["instead of slug.json"],
    );
    refuses(
        "a skippable frame",
        b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
        &["cut off"],
    );
}

#[test]
fn a_misplaced_manifest_is_refused() {
    let web = wasm::handler_02();
    refuses(
        "none",
        &Tar::default().file("app/web.wasm", &web).slug(),
        &["`app/web.wasm`", "instead of slug.json"],
    );
    refuses(
        "a link",
        &Tar::default()
            .of_type("slug.json", EntryType::Symlink)
            .slug(),
        &["`slug.json` is a symbolic link"],
    );
    refuses(
        "twice",
        &begun().file("slug.json", b"{}").slug(),
        &["`slug.json` is there twice"],
    );
    refuses(
        "again at the end",
        &good().file("slug.json", b"{}").slug(),
        &["`slug.json` is there twice"],
    );
    refuses(
        "elsewhere",
        &Tar::default().file("./slug.json/x", b"{}").slug(),
        &["instead of slug.json"],
    );
    let large = Tar::default().entry("slug.json", b"", |header| header.set_size(1 << 40));
    refuses("too large", &large.slug(), &["16 MiB of manifest"]);
}

#[test]
fn entry_names_outside_of_the_app_are_refused() {
    for (name, says) in [
        ("../evil", "`.` and `..`"),
        ("app/../evil", "`.` and `..`"),
        ("app/a/../../evil", "`.` and `..`"),
        ("app/..", "`.` and `..`"),
        ("/etc/passwd", "absolute"),
        ("app//etc/passwd", "absolute"),
        ("app/a//b", "empty part"),
        ("app/./a", "`.` and `..`"),
        ("app/", "empty part"),
        ("other/a", "outside of the app's folder"),
        ("app\\..\\evil", "backslash"),
        ("app/a\\..\\evil", "backslash"),
    ] {
        let shown = name.escape_debug().to_string();
        refuses(
            name,
            &begun().file(name, b"x").slug(),
            &[&format!("`{shown}`"), says],
        );
        refuses(
            name,
            &good().file(name, b"x").slug(),
            &[&format!("`{shown}`"), says],
        );
    }
    for name in ["app/a\nb", "app/a\x1b[31mb", "app/\u{7f}", "app/a\u{85}b"] {
        let shown = name.escape_debug().to_string();
        refuses(
            &shown,
            &begun().file(name, b"x").slug(),
            &[&format!("`{shown}`"), "control character"],
        );
    }
}

#[test]
fn misleading_entry_names_are_refused() {
    let climbing = begun().entry("app/evil", b"x", |header| {
        let ustar = header.as_ustar_mut().expect("a ustar header");
        ustar.prefix[..9].copy_from_slice(b"app/../..");
    });
    refuses(
        "climbing prefix",
        &climbing.slug(),
        &["app/../..", "`.` and `..`"],
    );
    let after_nul = begun().entry("app/notes.txt", b"some notes\n", |header| {
        header.as_ustar_mut().expect("a ustar header").name[14..22].copy_from_slice(b"../../up");
    });
    refuses(
        "after a NUL",
        &after_nul.slug(),
        &["`app/notes.txt` has a header"],
    );
    let not_utf8 = begun().entry("app/x", b"x", |header| header.as_mut_bytes()[4] = 0xff);
    refuses("not UTF-8", &not_utf8.slug(), &["not UTF-8"]);
    let deep = format!("app/{}x", "d/".repeat(40));
    refuses("too deep", &begun().file(&deep, b"x").slug(), &["too long"]);
}

#[test]
fn entries_that_are_no_files_are_refused() {
    for (kind, says) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::Directory, "a folder entry"),
        (EntryType::GNUSparse, "a sparse file"),
        (EntryType::GNULongName, "a GNU long-name record"),
        (EntryType::GNULongLink, "a GNU long-name record"),
        (EntryType::XHeader, "a PAX record"),
        (EntryType::XGlobalHeader, "a PAX record"),
        (EntryType::Continuous, "of an unknown type"),
        (EntryType::new(b'V'), "of an unknown type"),
    ] {
        // As a file of the manifest, before the end, and with a target outside of the app.
        refuses(
            says,
            &begun().of_type("app/notes.txt", kind).slug(),
            &["`app/notes.txt`", says],
        );
        refuses(
            says,
            &good().of_type("app/z", kind).slug(),
            &["`app/z`", says],
        );
        let pointing = begun().entry("app/notes.txt", b"", |header| {
            header.set_entry_type(kind);
            header.set_link_name("/etc").expect("it fits");
        });
        refuses(says, &pointing.slug(), &["`app/notes.txt`", says]);
    }
}

#[test]
fn records_that_rename_the_next_entry_are_refused() {
    let pax = begun()
        .entry(
            "PaxHeaders/x",
            b"28 path=../../etc/cron.d/x\n\n",
            |header| header.set_entry_type(EntryType::XHeader),
        )
        .file("app/notes.txt", b"some notes\n");
    refuses("PAX path", &pax.slug(), &["`PaxHeaders/x` is a PAX record"]);
    let long = begun()
        .entry("././@LongLink", b"../../etc/cron.d/x\0", |header| {
            header.set_entry_type(EntryType::GNULongName)
        })
        .file("app/notes.txt", b"some notes\n");
    refuses(
        "GNU long name",
        &long.slug(),
        &["`././@LongLink` is a GNU long-name record"],
    );
}

#[test]
fn entries_that_differ_from_the_manifest_are_refused() {
    let notes = b"some notes\n".as_slice();
    let twice = begun()
        .file("app/notes.txt", notes)
        .file("app/notes.txt", notes);
    refuses("twice", &twice.slug(), &["`app/notes.txt` is there twice"]);
    refuses(
        "twice at the end",
        &good().file("app/notes.txt", notes).slug(),
        &["`app/notes.txt` is there twice"],
    );
    refuses(
        "one more",
        &good().file("app/zzz", b"x").slug(),
        &["`app/zzz`", "nothing more"],
    );
    refuses(
        "one between",
        &begun().file("app/aaa", b"x").slug(),
        &["`app/aaa`", "`notes.txt`"],
    );
    refuses(
        "one missing",
        &begun().file("app/web.wasm", &wasm::handler_02()).slug(),
        &["`app/web.wasm`", "`notes.txt`"],
    );
    refuses(
        "all missing",
        &begun().slug(),
        &["cut off at `app/notes.txt`"],
    );
    refuses(
        "below a file",
        &good().file("app/notes.txt/x", b"x").slug(),
        &["`app/notes.txt/x`"],
    );
    refuses(
        "other contents",
        &begun().file("app/notes.txt", b"SOME NOTES\n").slug(),
        &["`app/notes.txt` does not match its digest"],
    );
    refuses(
        "shorter",
        &begun().file("app/notes.txt", b"some").slug(),
        &["`app/notes.txt` has a header"],
    );
    refuses(
        "longer",
        &begun().file("app/notes.txt", &[b'x'; 600]).slug(),
        &["`app/notes.txt` has a header"],
    );
}

/// A change of a header.
type Change = fn(&mut tar::Header);

#[test]
fn headers_that_packing_does_not_write_are_refused() {
    let changed: [(&str, Change); 9] = [
        ("mode", |header| header.set_mode(0o4755)),
        ("owner", |header| header.set_uid(1000)),
        ("time", |header| header.set_mtime(1)),
        ("user name", |header| {
            header.set_username("root").expect("it fits")
        }),
        ("device", |header| {
            header.set_device_major(8).expect("ustar has it")
        }),
        ("link name", |header| {
            header.set_link_name("/etc/passwd").expect("it fits")
        }),
        ("base-256 size", |header| {
            header.as_old_mut().size = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]
        }),
        ("GNU magic", |header| {
            header.as_mut_bytes()[257..265].copy_from_slice(b"ustar  \0")
        }),
        ("old type", |header| header.as_mut_bytes()[156] = 0),
    ];
    for (what, change) in changed {
        let tar = begun().entry("app/notes.txt", b"some notes\n", change);
        refuses(what, &tar.slug(), &["`app/notes.txt` has a header"]);
    }
    let fill = begun().file("app/notes.txt", b"some notes\n").poke(1, b'!');
    refuses(
        "fill",
        &fill.slug(),
        &["`app/notes.txt` has a header or padding"],
    );
    let mut old = begun().file("app/notes.txt", b"some notes\n");
    old = old.poke(1024 - 148, b'9');
    refuses("checksum", &old.slug(), &["`app/notes.txt` has a header"]);
}

#[test]
fn data_after_the_end_and_missing_ends_are_refused() {
    let good_bytes = good().slug();
    let mut garbage = good_bytes.clone();
    garbage.extend(b"garbage");
    refuses("after the frame", &garbage, &["data after the slug's end"]);
    let two = [good_bytes.clone(), good_bytes.clone()].concat();
    refuses("two frames", &two, &["data after the slug's end"]);
    let skippable = [good_bytes.as_slice(), b"\x50\x2a\x4d\x18\x04\0\0\0abcd"].concat();
    refuses(
        "a skippable frame",
        &skippable,
        &["data after the slug's end"],
    );
    refuses(
        "after the end",
        &good().end().raw(b"x").packed(),
        &["data after the slug's end"],
    );
    refuses(
        "a third zero block",
        &good().end().raw(&[0; 512]).packed(),
        &["data after the slug's end"],
    );
    refuses("no end", &good().packed(), &["cut off"]);
    refuses("half an end", &good().raw(&[0; 512]).packed(), &["cut off"]);
    refuses(
        "half an end and a file",
        &good().raw(&[0; 512]).file("app/z", b"x").slug(),
        &["data after the slug's end"],
    );
}

#[test]
fn a_stream_cut_off_at_any_byte_is_refused() {
    let slug = good().slug();
    for cut in 0..slug.len() {
        assert!(verify(&slug[..cut]).is_err(), "cut at {cut}");
    }
    refuses("in the middle", &slug[..slug.len() / 2], &[]);
}

#[test]
fn decompression_bombs_are_refused() {
    const LARGE: u64 = 100 << 20;
    let zeros = vec![0; LARGE as usize];
    let slug = |bytes: u64| {
        let mut manifest = archive::manifest(&[("web.wasm", &wasm::handler_02())]);
        manifest["files"]["a"] = json!({"bytes": bytes, "sha256": archive::digest(&zeros)});
        Tar::default().file("slug.json", &archive::text(&manifest))
    };
    refuses(
        "zeros",
        &slug(LARGE).file("app/a", &zeros).slug(),
        &["`app/a`", "like a decompression bomb"],
    );
    refuses(
        "declared",
        &slug(501 << 20).slug(),
        &["over its limit of 524288000"],
    );
    let overflowing = with_manifest(|manifest| {
        manifest["files"]["a"] = json!({"bytes": u64::MAX, "sha256": archive::digest(b"")});
        manifest["files"]["b"] = json!({"bytes": u64::MAX, "sha256": archive::digest(b"")});
    });
    refuses("overflow", &overflowing, &["over its limit of 524288000"]);
    // An endless first entry.
    let endless = Tar::default()
        .entry("slug.json", b"", |header| header.set_size(15 << 20))
        .raw(&zeros);
    refuses("endless", &endless.packed(), &["slug.json"]);
    let component =
        with_manifest(|manifest| manifest["files"]["web.wasm"]["bytes"] = json!(129 << 20));
    refuses("a vast component", &component, &["bytes of a component"]);
}

#[test]
fn too_many_entries_are_refused() {
    let many = with_manifest(|manifest| {
        for number in 0..50_000 {
            manifest["files"][format!("f{number}")] = archive::record(b"");
        }
    });
    refuses(
        "files",
        &many,
        &["files and folders is over its limit of 50000"],
    );
    let folders = with_manifest(|manifest| {
        for number in 0..2_000 {
            let deep: String = (0..30).map(|depth| format!("{number}{depth}/")).collect();
            manifest["files"][format!("{deep}f")] = archive::record(b"");
        }
    });
    refuses(
        "folders",
        &folders,
        &["files and folders is over its limit of 50000"],
    );
}

#[test]
fn a_compression_window_over_the_memory_limit_is_refused() {
    let mut encoder = Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder
        .set_parameter(zstd::zstd_safe::CParameter::WindowLog(27))
        .expect("a parameter");
    encoder.write_all(&tar_bytes()).expect("memory");
    refuses("128 MiB", &encoder.finish().expect("memory"), &["zstd"]);
}

/// The good archive, unpacked.
fn tar_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    let slug = good().slug();
    zstd::stream::read::Decoder::new(slug.as_slice())
        .expect("a decoder")
        .read_to_end(&mut bytes)
        .expect("memory");
    bytes
}

#[test]
fn unsupported_components_are_refused() {
    let slug = |bytes: &[u8]| {
        let text = archive::text(&archive::manifest(&[("web.wasm", bytes)]));
        Tar::default()
            .file("slug.json", &text)
            .file("app/web.wasm", bytes)
            .slug()
    };
    let foreign = wasm::component(
        &["acme:db/sql@1.0.0"],
        &["wasi:http/incoming-handler@0.2.0"],
    );
    refuses(
        "an import",
        &slug(&foreign),
        &["`web.wasm` cannot run here", "`acme:db/sql@1.0.0`"],
    );
    refuses(
        "no wasm",
        &slug(b"#!/bin/sh"),
        &["`web.wasm` cannot run here", "not a WebAssembly file"],
    );
    refuses(
        "native code",
        &slug(b"\x7fELF\x02\x01\x01"),
        &["`web.wasm` cannot run here"],
    );
    refuses(
        "another world",
        &slug(&wasm::handler_03()),
        &["`web.wasm` runs `web` as wasi:http/incoming-handler@0.2, and it does not"],
    );
    refuses(
        "another kind",
        &slug(&wasm::command_02()),
        &["`web.wasm` runs `web` as wasi:http/incoming-handler@0.2, and it does not"],
    );
    refuses(
        "no web",
        &slug(&wasm::wasip1()),
        &["`web.wasm` cannot be `web`"],
    );
}

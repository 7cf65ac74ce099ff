//! Hostile symbolic links and long names: a slug is refused as a whole if a link leads out of the app, or if packing
//! would not have written the entry.

use serde_json::json;
use slugs::verify::verify;
use tar::EntryType;

use crate::hostile::refuses;
use crate::support::archive::{self, Tar, begun, with_manifest};
use crate::support::{chain, wasm};

/// A slug whose manifest has `links`, and whose archive has the entries that `entries` adds after the files.
fn with_links(links: &[(&str, &str)], entries: impl FnOnce(Tar) -> Tar) -> Vec<u8> {
    let files = archive::files();
    let named: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, contents)| (*name, contents.as_slice()))
        .collect();
    let mut manifest = archive::manifest(&named);
    manifest["format"] = json!(2);
    let links: serde_json::Map<String, serde_json::Value> = links
        .iter()
        .map(|(link, target)| ((*link).to_owned(), json!(target)))
        .collect();
    manifest["links"] = links.into();
    let start = Tar::default().file("slug.json", &archive::text(&manifest));
    let tar = files.iter().fold(start, |tar, (name, contents)| {
        tar.file(&format!("app/{name}"), contents)
    });
    entries(tar).slug()
}

#[test]
fn a_valid_link_is_accepted() {
    let slug = with_links(&[("a", "notes.txt")], |tar| tar.link("app/a", "notes.txt"));
    let checked = verify(slug.as_slice()).unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(checked.manifest().links.len(), 1);
}

#[test]
fn links_out_of_the_app_are_refused() {
    for (links, says) in [
        (&[("a", "/etc/passwd")][..], "absolute"),
        (&[("a", "..")], "out of the app's folder"),
        (
            &[("a", "../../../../etc/passwd")],
            "out of the app's folder",
        ),
        (&[("d/a", "../../x")], "out of the app's folder"),
        (&[("a", "tmp/../../etc")], "out of the app's folder"),
        // Through another link.
        (
            &[("a", "b/../.."), ("b", "d"), ("d/c", "../notes.txt")],
            "out of the app's folder",
        ),
        (&[("a", "none")], "target is not in the slug"),
        (&[("a", "a")], "in a circle"),
        (&[("a", "b"), ("b", "a")], "in a circle"),
        (&[("a", "")], "empty"),
        (&[("a", "notes.txt\0/../..")], "control characters"),
        (&[("a", "..\\..")], "backslashes"),
    ] {
        let slug = with_links(links, |tar| {
            links.iter().fold(tar, |tar, (name, target)| {
                tar.link(&format!("app/{name}"), target)
            })
        });
        refuses(&format!("{links:?}"), &slug, &["the symbolic link `", says]);
        refuses(&format!("{links:?}"), &slug, &["`slug.json` is refused"]);
    }
}

#[test]
fn link_names_that_conflict_with_files_are_refused() {
    let one = |name: &str| {
        with_links(&[(name, "notes.txt")], |tar| {
            tar.link(&format!("app/{name}"), "notes.txt")
        })
    };
    refuses(
        "of a file",
        &one("notes.txt"),
        &["a file too", "`notes.txt`"],
    );
    refuses(
        "below a file",
        &one("notes.txt/x"),
        &["both a file and a folder"],
    );
    refuses("out of the app", &one("../x"), &["`.` and `..`"]);
    // A file below a link would be written through it.
    let below = with_links(&[("a", "."), ("a/b", "../notes.txt")], |tar| tar);
    refuses("below a link", &below, &["`a` is both a file and a folder"]);
}

/// The links of the archive must equal those of the manifest.
#[test]
fn links_that_differ_from_the_manifest_are_refused() {
    let links = [("a", "notes.txt")];
    let not = |what: &str, says: &str, entries: fn(Tar) -> Tar| {
        refuses(what, &with_links(&links, entries), &["`app/a`", says]);
    };
    let other = with_links(&links, |tar| tar.link("app/b", "notes.txt"));
    refuses("another", &other, &["`app/b` is where", "has `a`"]);
    not("another target", "header or padding", |tar| {
        tar.link("app/a", "/etc/passwd")
    });
    not("a longer target", "header or padding", |tar| {
        tar.link("app/a", "notes.txt/x")
    });
    not("a file", "header or padding", |tar| tar.file("app/a", b""));
    not("a hard link", "is a hard link", |tar| {
        tar.of_type("app/a", EntryType::Link)
    });
    not("twice", "is there twice", |tar| {
        tar.link("app/a", "notes.txt").file("app/a", b"")
    });
    not("with contents", "header or padding", |tar| {
        tar.entry("app/a", b"x", |header| {
            header.set_entry_type(EntryType::Symlink);
            header.set_link_name("notes.txt").expect("it fits");
        })
    });
    let pax = with_links(&links, |tar| {
        tar.pax("28 linkpath=../../etc/passwd\n")
            .link("app/a", "notes.txt")
    });
    refuses("a PAX record", &pax, &["`long-names` is a PAX record"]);
    let begun = with_links(&links, |tar| tar);
    refuses("none", &begun, &["cut off at `app/a`"]);
}

#[test]
fn long_names_that_packing_does_not_write_are_refused() {
    let name = "n".repeat(200);
    let record = format!("214 path=app/{name}\n");
    let long = |records: &str, follows: fn(Tar) -> Tar| {
        let slug = {
            let mut manifest =
                archive::manifest(&[(&name, b"x"), ("web.wasm", &wasm::handler_02())]);
            manifest["format"] = json!(2);
            let tar = Tar::default().file("slug.json", &archive::text(&manifest));
            follows(tar.pax(records))
        };
        slug.file("app/web.wasm", &wasm::handler_02()).slug()
    };
    let good = long(&record, |tar| tar.file("long-names", b"x"));
    verify(good.as_slice()).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let x = |tar: Tar| tar.file("long-names", b"x");
    let says = ["header or padding"];
    let other = record.replace("app/n", "app/m");
    refuses("another name", &long(&other, x), &says);
    refuses(
        "out of the app",
        &long(&record.replace("app/nnn", "../../n"), x),
        &says,
    );
    refuses(
        "a second record",
        &long(&format!("{record}13 size=1000\n"), x),
        &says,
    );
    refuses("the record twice", &long(&record.repeat(2), x), &says);
    refuses(
        "another order",
        &long(&record.replace("214 path", "214 htap"), x),
        &says,
    );
    refuses(
        "a file by another name",
        &long(&record, |tar| tar.file("app/x", b"x")),
        &says,
    );
    refuses(
        "a link",
        &long(&record, |tar| tar.link("long-names", "/etc")),
        &says,
    );
    refuses(
        "a second head",
        &long(&record, |tar| {
            tar.pax("9 path=x\n").file("long-names", b"x")
        }),
        &says,
    );
}

#[test]
fn records_and_formats_that_packing_does_not_write_are_refused() {
    // A name that fits a plain header needs no record.
    let short = begun().pax("22 path=app/notes.txt\n");
    let short = short.file("app/notes.txt", b"some notes\n").slug();
    refuses("a short name", &short, &["is a PAX record"]);
    let global = begun().of_type("app/x", EntryType::XGlobalHeader).slug();
    refuses("a global record", &global, &["is a PAX record"]);
    for (format, change) in [(1, true), (2, false)] {
        let slug = with_manifest(|manifest| {
            manifest["format"] = json!(format);
            if change {
                manifest["links"] = json!({"a": "notes.txt"});
            }
        });
        refuses(
            "a form that is not the oldest that holds it",
            &slug,
            &["canonical"],
        );
    }
}

/// The length of link chains is limited, so that verification takes bounded time.
#[test]
fn long_chains_of_links_are_refused() {
    let names: Vec<String> = (0..2_000).map(|n| format!("l{n:04}")).collect();
    let target = |n: usize| format!("{}./l{:04}", "./".repeat(400), n + 1);
    let targets: Vec<String> = (0..2_000).map(target).collect();
    let links: Vec<(&str, &str)> = names
        .iter()
        .zip(&targets)
        .map(|(name, target)| (name.as_str(), target.as_str()))
        .collect();
    refuses(
        "long chains",
        &with_links(&links, |tar| tar),
        &["too many links"],
    );
    let many: Vec<String> = (0..10_001).map(|n| format!("l{n:05}")).collect();
    let links: Vec<(&str, &str)> = many
        .iter()
        .map(|name| (name.as_str(), "notes.txt"))
        .collect();
    refuses(
        "many",
        &with_links(&links, |tar| tar),
        &["symbolic links is over its limit"],
    );
}

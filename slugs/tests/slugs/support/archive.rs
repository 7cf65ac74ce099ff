//! Archives written block by block, which can contain entries that no archiver writes.

use std::io::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use zstd::stream::write::Encoder;

use super::wasm;

const BLOCK: usize = 512;

/// A tar stream under construction.
#[derive(Clone, Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// Adds an entry as packing writes it, after `change` has modified the header.
    pub(crate) fn entry(
        mut self,
        name: &str,
        contents: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = plain(name, contents.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.data(contents)
    }

    pub(crate) fn file(self, name: &str, contents: &[u8]) -> Self {
        self.entry(name, contents, |_| {})
    }

    /// Adds a symbolic link as packing writes it.
    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(name, b"", |header| {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            let field = &mut header.as_ustar_mut().expect("a ustar header").linkname;
            field[..target.len()].copy_from_slice(target.as_bytes());
        })
    }

    /// Adds a PAX record as packing writes it, with any text. A file or link of that name has to follow.
    pub(crate) fn pax(self, records: &str) -> Self {
        self.entry("long-names", records.as_bytes(), |header| {
            header.set_entry_type(EntryType::XHeader)
        })
    }

    pub(crate) fn of_type(self, name: &str, kind: EntryType) -> Self {
        self.entry(name, b"", |header| header.set_entry_type(kind))
    }

    /// Adds bytes, padded to a whole block.
    pub(crate) fn data(mut self, contents: &[u8]) -> Self {
        self.bytes.extend(contents);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// Changes one byte, counted from the end.
    pub(crate) fn poke(mut self, from_end: usize, byte: u8) -> Self {
        let at = self.bytes.len() - from_end;
        self.bytes[at] = byte;
        self
    }

    pub(crate) fn end(self) -> Self {
        self.raw(&[0; 2 * BLOCK])
    }

    pub(crate) fn packed(&self) -> Vec<u8> {
        compressed(&self.bytes)
    }

    /// Ends the archive and compresses it.
    pub(crate) fn slug(self) -> Vec<u8> {
        self.end().packed()
    }
}

pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A header as packing writes it, with any name that fits the field.
fn plain(name: &str, size: u64) -> Header {
    let mut header = Header::new_ustar();
    if header.set_path(name).is_err() || *header.path_bytes() != *name.as_bytes() {
        let field = &mut header.as_ustar_mut().expect("a ustar header").name;
        field.fill(0);
        field[..name.len()].copy_from_slice(name.as_bytes());
    }
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(crate) fn record(bytes: &[u8]) -> Value {
    json!({"bytes": bytes.len(), "sha256": digest(bytes)})
}

/// A manifest of `files`, with `web.wasm` as a handler.
pub(crate) fn manifest(files: &[(&str, &[u8])]) -> Value {
    let records: serde_json::Map<String, Value> = files
        .iter()
        .map(|(name, contents)| ((*name).to_owned(), record(contents)))
        .collect();
    json!({
        "format": 1,
        "builder": {"name": "wasm", "tool": ""},
        "processes": {"web": {
            "component": "web.wasm", "args": [],
            "world": "wasi:http/incoming-handler@0.2", "kind": "handler",
        }},
        "formation": {},
        "env": {},
        "files": records,
    })
}

/// The text of a manifest, with its fields in the canonical order of `slug.json`.
pub(crate) fn text(manifest: &Value) -> Vec<u8> {
    // serde_json sorts keys by name; the canonical form has the order of the struct's fields.
    let fields = |value: &Value, names: &[&str]| {
        let parts: Vec<String> = names
            .iter()
            .filter_map(|name| Some(format!("\"{name}\":{}", value.get(name)?)))
            .collect();
        format!("{{{}}}", parts.join(","))
    };
    let processes: Vec<String> = manifest["processes"]
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, process)| {
            format!(
                "\"{name}\":{}",
                fields(process, &["component", "args", "world", "kind", "limits"])
            )
        })
        .collect();
    let mut text = String::from("{");
    for name in ["format", "builder"] {
        text.push_str(&format!("\"{name}\":{},", manifest[name]));
    }
    text.push_str(&format!("\"processes\":{{{}}}", processes.join(",")));
    if let Some(commands) = manifest["commands"].as_object() {
        let commands = commands.iter().map(|(word, command)| {
            format!("\"{word}\":{}", fields(command, &["component", "args"]))
        });
        let commands: Vec<String> = commands.collect();
        text.push_str(&format!(",\"commands\":{{{}}}", commands.join(",")));
    }
    for name in ["formation", "env", "files", "links"] {
        if let Some(value) = manifest.get(name) {
            text.push_str(&format!(",\"{name}\":{value}"));
        }
    }
    text.push('}');
    text.into_bytes()
}

/// The files of the app on which hostile archives are based, in order.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("notes.txt", b"some notes\n".to_vec()),
        ("web.wasm", wasm::handler_02()),
    ]
}

/// A valid archive of [`files`] up to the manifest.
pub(crate) fn begun() -> Tar {
    let files = files();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, contents)| (*name, contents.as_slice()))
        .collect();
    Tar::default().file("slug.json", &text(&manifest(&files)))
}

/// A valid archive of [`files`], without its end.
pub(crate) fn good() -> Tar {
    files().iter().fold(begun(), |tar, (name, contents)| {
        tar.file(&format!("app/{name}"), contents)
    })
}

/// A valid archive, except for the change that `change` makes in the manifest.
pub(crate) fn with_manifest(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let files = files();
    let named: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, contents)| (*name, contents.as_slice()))
        .collect();
    let mut manifest = manifest(&named);
    change(&mut manifest);
    let start = Tar::default().file("slug.json", &text(&manifest));
    files
        .iter()
        .fold(start, |tar, (name, contents)| {
            tar.file(&format!("app/{name}"), contents)
        })
        .slug()
}

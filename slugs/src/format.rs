//! Owns the slug file's fixed facts: media type, limits, tar headers, compression settings.
//! Packing and verifying share this, so that a slug is canonical: one content, one form.
//! Must not know where bytes come from or go to.

use tar::{EntryType, Header};

/// Media type of a slug file.
pub const MEDIA_TYPE: &str = "application/vnd.dyno.slug.v1+tar.zstd";
/// The file extension of a slug, without the dot.
pub const EXTENSION: &str = "slug";
/// Newest version of the manifest's form that this code reads. A slug is written in the oldest form that holds it, so
/// that older servers go on accepting it and its digest stays the same.
pub const FORMAT: u32 = 2;
/// The first form: no command words, symbolic links or long names.
pub(crate) const FORMAT_WITHOUT_COMMANDS: u32 = 1;
/// Name of the manifest, always the first entry.
pub const MANIFEST_NAME: &str = "slug.json";

/// All files together, unpacked (500 MiB): what Heroku allows, and what a node can hold many of.
pub const UNPACKED_BYTES_MAX: u64 = 500 << 20;
/// Files and folders together.
pub const ENTRIES_MAX: usize = 50_000;
/// A component file (128 MiB): it is read whole, and the largest in real use (Ruby) is 31 MB.
pub const COMPONENT_BYTES_MAX: u64 = 128 << 20;
/// `slug.json` (16 MiB): 50,000 files of some 300 bytes each.
pub const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// The slug file (520 MiB): unpacked limit and headers, if nothing could be compressed.
pub const SLUG_BYTES_MAX: u64 = 520 << 20;
/// The tar stream: files, one header and up to one padding block each, manifest, end.
pub(crate) const TAR_BYTES_MAX: u64 = UNPACKED_BYTES_MAX
    + MANIFEST_BYTES_MAX
    + (ENTRIES_MAX as u64 + 4) * 2 * BLOCK as u64
    + LONG_NAMES_BYTES_MAX;

/// PAX records (80 MiB): each name stands in the manifest too, which bounds them; with a header and padding.
const LONG_NAMES_BYTES_MAX: u64 = 80 << 20;

/// Unpacked bytes per packed byte beyond which a slug is taken for a bomb …
pub(crate) const RATIO_MAX: u64 = 200;
/// … once it is this large (32 MiB): small files of zeros are harmless.
pub(crate) const RATIO_FREE_BYTES: u64 = 32 << 20;

/// zstd's level: within a few per cent of the best for wasm, at 30 MB/s and more.
pub(crate) const ZSTD_LEVEL: i32 = 9;
/// log2 of the largest zstd window accepted (8 MiB): bounds the decoder's memory; level 9 uses 22.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A tar block, in bytes.
pub(crate) const BLOCK: usize = 512;
/// Folder of the app's files within the archive, so that no app file can pose as the manifest.
const APP_PREFIX: &str = "app/";
/// Every file's mode: wasm needs no execute bit.
const FILE_MODE: u32 = 0o644;
/// Every symbolic link's mode, which means nothing.
const LINK_MODE: u32 = 0o777;
/// Name of a PAX record, which nobody sees.
const EXTENSION_NAME: &str = "long-names";
/// Longest name that fits a plain header, in bytes; longer ones may fit or not.
pub(crate) const PLAIN_NAME_BYTES_MAX: usize = 100;

/// The name of an app's file within the archive.
pub(crate) fn in_archive(path: &str) -> String {
    format!("{APP_PREFIX}{path}")
}

/// The app's part of an archive name, if it is under the app's folder.
pub(crate) fn from_archive(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(APP_PREFIX.as_bytes())
}

/// What an entry of an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A file of so many bytes.
    File(u64),
    /// A symbolic link with this target.
    Link(&'a str),
}

/// The one head that an entry has: its header, and in front of it a PAX record where the header has no room for the
/// name or the target (100 bytes, or 255 where a `/` stands at the right place).
pub(crate) fn head(name: &str, entry: Entry<'_>) -> Vec<u8> {
    let (kind, size, mode, target) = match entry {
        Entry::File(size) => (EntryType::Regular, size, FILE_MODE, None),
        Entry::Link(target) => (EntryType::Symlink, 0, LINK_MODE, Some(target)),
    };
    let mut header = Header::new_ustar();
    let mut records = Vec::new();
    if !set_name(&mut header, name) {
        records.extend(record("path", name));
    }
    if let Some(target) = target
        && !set_target(&mut header, target)
    {
        records.extend(record("linkpath", target));
    }
    finish(&mut header, kind, mode, size);
    let mut head = Vec::new();
    if !records.is_empty() {
        let mut extension = Header::new_ustar();
        set_name(&mut extension, EXTENSION_NAME);
        finish(
            &mut extension,
            EntryType::XHeader,
            FILE_MODE,
            records.len() as u64,
        );
        head.extend_from_slice(extension.as_bytes());
        head.extend_from_slice(&records);
        head.resize(head.len() + padding(records.len() as u64), 0);
    }
    head.extend_from_slice(header.as_bytes());
    head
}

/// Puts a name into a header, and says whether all of it is there. `set_path` drops what it thinks redundant.
fn set_name(header: &mut Header, name: &str) -> bool {
    if header.set_path(name).is_ok() && *header.path_bytes() == *name.as_bytes() {
        return true;
    }
    *header = Header::new_ustar();
    // What a reader without PAX would see.
    let stand_in = header.set_path(EXTENSION_NAME);
    debug_assert!(stand_in.is_ok(), "it is short");
    false
}

/// Whether an app's file of this name has a plain header, as all had in slugs of the first form.
pub(crate) fn is_plain(path: &str) -> bool {
    let name = in_archive(path);
    name.len() <= PLAIN_NAME_BYTES_MAX || set_name(&mut Header::new_ustar(), &name)
}

/// Puts the target of a link into a header, and says whether all of it is there.
fn set_target(header: &mut Header, target: &str) -> bool {
    let Some(field) = header.as_ustar_mut().map(|ustar| &mut ustar.linkname) else {
        return false;
    };
    let has_room = target.len() <= field.len();
    if has_room {
        field[..target.len()].copy_from_slice(target.as_bytes());
    }
    has_room
}

fn finish(header: &mut Header, kind: EntryType, mode: u32, size: u64) {
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
}

/// One record of PAX: its own length in decimal, with it, `key=value`, and a line break.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut len = rest.len() + 1;
    while rest.len() + len.to_string().len() != len {
        len += 1;
    }
    format!("{len}{rest}").into_bytes()
}

/// Zero bytes after a file of this size, up to the next block.
pub(crate) fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// Whether this much from that little is a bomb.
pub(crate) fn is_bomb(unpacked: u64, packed: u64) -> bool {
    unpacked > RATIO_FREE_BYTES && unpacked / RATIO_MAX > packed
}

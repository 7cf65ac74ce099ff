//! Owns the fixed facts of the slug format: media type, limits, tar headers, compression settings.
//! `pack` and `verify` share them, so that a slug is canonical: one content has exactly one form.
//! Must not know where bytes come from or go to.

use tar::{EntryType, Header};

/// Media type of a slug file.
pub const MEDIA_TYPE: &str = "application/vnd.dyno.slug.v1+tar.zstd";
/// The file extension of a slug, without the dot.
pub const EXTENSION: &str = "slug";
/// Newest version of the manifest that this code reads. A slug is written in the oldest version that can express it, so that
/// older servers accept the slug and its digest stays the same.
pub const FORMAT: u32 = 2;
/// The first version: without command words, symbolic links and long names.
pub(crate) const FORMAT_WITHOUT_COMMANDS: u32 = 1;
/// Name of the manifest, always the first entry.
pub const MANIFEST_NAME: &str = "slug.json";

/// All files together, unpacked (500 MiB). Heroku has the same limit, and a node can hold many such apps.
pub const UNPACKED_BYTES_MAX: u64 = 500 << 20;
/// Files and folders together.
pub const ENTRIES_MAX: usize = 50_000;
/// A component file (128 MiB). It is read as a whole; the largest in real use (Ruby) has 31 MB.
pub const COMPONENT_BYTES_MAX: u64 = 128 << 20;
/// `slug.json` (16 MiB): 50,000 files of some 300 bytes each.
pub const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// The slug file (520 MiB): the unpacked limit and headers, for files that cannot be compressed.
pub const SLUG_BYTES_MAX: u64 = 520 << 20;
/// The tar stream: all files, each with one header and up to one padding block; the manifest; the end.
pub(crate) const TAR_BYTES_MAX: u64 = UNPACKED_BYTES_MAX
    + MANIFEST_BYTES_MAX
    + (ENTRIES_MAX as u64 + 4) * 2 * BLOCK as u64
    + LONG_NAMES_BYTES_MAX;

/// PAX records with headers and padding (80 MiB). Each name is in the manifest too, whose size bounds them.
const LONG_NAMES_BYTES_MAX: u64 = 80 << 20;

/// Most unpacked bytes per packed byte. A slug with more is refused as a decompression bomb …
pub(crate) const RATIO_MAX: u64 = 200;
/// … if it unpacks to more than this (32 MiB): small files of zeros are harmless.
pub(crate) const RATIO_FREE_BYTES: u64 = 32 << 20;

/// zstd's level: within a few per cent of the smallest size for WebAssembly, at 30 MB/s and more.
pub(crate) const ZSTD_LEVEL: i32 = 9;
/// log2 of the largest zstd window accepted (8 MiB): bounds the decoder's memory; level 9 uses 22.
pub(crate) const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A tar block, in bytes.
pub(crate) const BLOCK: usize = 512;
/// Folder of the app's files within the archive, so that no file of the app can have the name of the manifest.
const APP_PREFIX: &str = "app/";
/// Mode of each file: WebAssembly needs no execute bit.
const FILE_MODE: u32 = 0o644;
/// Mode of each symbolic link. It has no effect.
const LINK_MODE: u32 = 0o777;
/// Name of each PAX record. No reader shows it.
const EXTENSION_NAME: &str = "long-names";
/// A name up to this length, in bytes, always fits a plain header. Longer names may fit.
pub(crate) const PLAIN_NAME_BYTES_MAX: usize = 100;

/// The name of an app's file within the archive.
pub(crate) fn archive_name(path: &str) -> String {
    format!("{APP_PREFIX}{path}")
}

/// The name of an app's file from its name in the archive; `None` outside of the app's folder.
pub(crate) fn name_in_app(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(APP_PREFIX.as_bytes())
}

/// The kind of an entry in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveEntry<'a> {
    /// A file with this many bytes.
    File(u64),
    /// A symbolic link with this target.
    Link(&'a str),
}

/// Writes the head of an entry: its header, and before it a PAX record if the header has no room for the name or the target
/// (100 bytes, or 255 if a `/` is at the right place). An entry has exactly one valid head.
pub(crate) fn entry_head(name: &str, entry: ArchiveEntry<'_>) -> Vec<u8> {
    let (kind, size, mode, target) = match entry {
        ArchiveEntry::File(size) => (EntryType::Regular, size, FILE_MODE, None),
        ArchiveEntry::Link(target) => (EntryType::Symlink, 0, LINK_MODE, Some(target)),
    };
    let mut header = Header::new_ustar();
    let mut records = Vec::new();
    if !set_name(&mut header, name) {
        records.extend(pax_record("path", name));
    }
    if let Some(target) = target
        && !set_target(&mut header, target)
    {
        records.extend(pax_record("linkpath", target));
    }
    fill_header(&mut header, kind, mode, size);
    let mut head = Vec::new();
    if !records.is_empty() {
        let mut extension = Header::new_ustar();
        set_name(&mut extension, EXTENSION_NAME);
        fill_header(
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

/// Writes a name into a header. Returns whether all of the name is there: `set_path` drops parts that it takes for redundant.
fn set_name(header: &mut Header, name: &str) -> bool {
    if header.set_path(name).is_ok() && *header.path_bytes() == *name.as_bytes() {
        return true;
    }
    *header = Header::new_ustar();
    // A reader that does not know PAX shows this name.
    let stand_in = header.set_path(EXTENSION_NAME);
    debug_assert!(stand_in.is_ok(), "it is short");
    false
}

/// Whether an app's file of this name has a plain header, as all files have in slugs of the first version.
pub(crate) fn has_plain_header(path: &str) -> bool {
    let name = archive_name(path);
    name.len() <= PLAIN_NAME_BYTES_MAX || set_name(&mut Header::new_ustar(), &name)
}

/// Writes the target of a link into a header. Returns whether all of the target is there.
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

/// Writes all fields but the name and the target.
fn fill_header(header: &mut Header, kind: EntryType, mode: u32, size: u64) {
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
}

/// One record of PAX: the length of the whole record in decimal, a space, `key=value`, and a line break.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut len = rest.len() + 1;
    while rest.len() + len.to_string().len() != len {
        len += 1;
    }
    format!("{len}{rest}").into_bytes()
}

/// Number of zero bytes after a file of this size, up to the next block.
pub(crate) fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// Whether a slug unpacks to so much more than its size that it is taken for a decompression bomb.
pub(crate) fn is_bomb(unpacked: u64, packed: u64) -> bool {
    unpacked > RATIO_FREE_BYTES && unpacked / RATIO_MAX > packed
}

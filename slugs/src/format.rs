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
/// The first form: process types only.
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
pub(crate) const TAR_BYTES_MAX: u64 =
    UNPACKED_BYTES_MAX + MANIFEST_BYTES_MAX + (ENTRIES_MAX as u64 + 4) * 2 * BLOCK as u64;

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

/// The name of an app's file within the archive.
pub(crate) fn in_archive(path: &str) -> String {
    format!("{APP_PREFIX}{path}")
}

/// The app's part of an archive name, if it is under the app's folder.
pub(crate) fn from_archive(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(APP_PREFIX.as_bytes())
}

/// The one header that a file of this name and size has. None if the name does not fit.
pub(crate) fn header(name: &str, size: u64) -> Option<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name).ok()?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(FILE_MODE);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    // `set_path` drops what it thinks redundant; then the name would not come back as given.
    (*header.path_bytes() == *name.as_bytes()).then_some(header)
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

//! Owns the writing of a slug's archive, which `verify` reads.
//! Must not know how the files were chosen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use grid::name::SlugId;
use zstd::stream::write::Encoder;

use super::error::PackError;
use crate::digest::DigestingStream;
use crate::format::{self, ArchiveEntry, MANIFEST_NAME};
use crate::manifest::slug_json::Manifest;
use crate::path::SlugPath;

/// Bytes written to the disk at a time.
const WRITE_BYTES: usize = 256 << 10;

/// Writes the archive. Returns its digest and size.
pub(super) fn write_archive(
    sources: &BTreeMap<SlugPath, PathBuf>,
    manifest: &Manifest,
    file: &File,
    name: &Path,
) -> Result<(SlugId, u64), PackError> {
    let failed = |source| PackError::Write {
        path: name.to_owned(),
        source,
    };
    let output = DigestingStream::new(BufWriter::with_capacity(WRITE_BYTES, file));
    let mut encoder = Encoder::new(output, format::ZSTD_LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let json = manifest.to_json();
    let mut unpacked = 0;
    unpacked += append_file(&mut encoder, MANIFEST_NAME, json.len() as u64, |out| {
        out.write_all(&json)
    })
    .map_err(failed)?;
    for (path, record) in &manifest.files {
        let source = &sources[path];
        let reading = |error| PackError::Read {
            path: source.clone(),
            source: error,
        };
        // Reads one byte more than expected, to detect that the file has grown.
        let mut reader =
            DigestingStream::new(File::open(source).map_err(reading)?.take(record.bytes + 1));
        unpacked += append_file(
            &mut encoder,
            &format::archive_name(path.as_str()),
            record.bytes,
            |out| io::copy(&mut reader, out).map(drop),
        )
        .map_err(failed)?;
        if (reader.passed(), reader.digest()) != (record.bytes, record.sha256) {
            return Err(PackError::Changed { name: path.clone() });
        }
    }
    for (path, target) in &manifest.links {
        let head = format::entry_head(
            &format::archive_name(path.as_str()),
            ArchiveEntry::Link(target),
        );
        encoder.write_all(&head).map_err(failed)?;
        unpacked += head.len() as u64;
    }
    encoder.write_all(&[0; 2 * format::BLOCK]).map_err(failed)?;
    let output = encoder.finish().map_err(failed)?;
    let (id, bytes) = (SlugId::new(*output.digest().bytes()), output.passed());
    output
        .into_inner()
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    if format::is_bomb(unpacked, bytes) {
        return Err(PackError::Bomb);
    }
    Ok((id, bytes))
}

/// Writes one file: head, contents, padding. Returns the size in the archive.
fn append_file<W: Write>(
    out: &mut W,
    name: &str,
    bytes: u64,
    contents: impl FnOnce(&mut W) -> io::Result<()>,
) -> io::Result<u64> {
    let head = format::entry_head(name, ArchiveEntry::File(bytes));
    out.write_all(&head)?;
    contents(out)?;
    let padding = format::padding(bytes);
    out.write_all(&[0; format::BLOCK][..padding])?;
    Ok((head.len() + padding) as u64 + bytes)
}

//! Owns the writing of a slug's archive: the counterpart of `verify`'s reading.
//! Must not know which files there are or why.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use grid::name::SlugId;
use zstd::stream::write::Encoder;

use super::PackError;
use crate::digest::Digesting;
use crate::format::{self, Entry, MANIFEST_NAME};
use crate::manifest::Manifest;
use crate::path::SlugPath;

/// Bytes written to the disk at a time.
const WRITE_BYTES: usize = 256 << 10;

/// Writes the archive; gives its digest and size.
pub(super) fn write(
    sources: &BTreeMap<SlugPath, PathBuf>,
    manifest: &Manifest,
    file: &File,
    name: &Path,
) -> Result<(SlugId, u64), PackError> {
    let failed = |source| PackError::Write {
        path: name.to_owned(),
        source,
    };
    let output = Digesting::new(BufWriter::with_capacity(WRITE_BYTES, file));
    let mut encoder = Encoder::new(output, format::ZSTD_LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let json = manifest.to_json();
    let mut unpacked = 0;
    unpacked += append(&mut encoder, MANIFEST_NAME, json.len() as u64, |out| {
        out.write_all(&json)
    })
    .map_err(failed)?;
    for (path, record) in &manifest.files {
        let source = &sources[path];
        let reading = |error| PackError::Read {
            path: source.clone(),
            source: error,
        };
        // One byte more than there should be, to see growth.
        let mut reader =
            Digesting::new(File::open(source).map_err(reading)?.take(record.bytes + 1));
        unpacked += append(
            &mut encoder,
            &format::in_archive(path.as_str()),
            record.bytes,
            |out| io::copy(&mut reader, out).map(drop),
        )
        .map_err(failed)?;
        if (reader.passed(), reader.digest()) != (record.bytes, record.sha256) {
            return Err(PackError::Changed { name: path.clone() });
        }
    }
    for (path, target) in &manifest.links {
        let head = format::head(&format::in_archive(path.as_str()), Entry::Link(target));
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

/// Writes one entry: header, contents, fill. Gives its size in the archive.
fn append<W: Write>(
    out: &mut W,
    name: &str,
    bytes: u64,
    contents: impl FnOnce(&mut W) -> io::Result<()>,
) -> io::Result<u64> {
    let head = format::head(name, Entry::File(bytes));
    out.write_all(&head)?;
    contents(out)?;
    let fill = format::padding(bytes);
    out.write_all(&[0; format::BLOCK][..fill])?;
    Ok((head.len() + fill) as u64 + bytes)
}

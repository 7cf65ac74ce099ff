//! Owns the reading of a slug's archive, within limits: one zstd frame that holds the canonical tar stream.
//! Must not know what is done with the contents.

use std::io::{self, BufReader, Read, Write};

use grid::name::SlugId;
use tar::{EntryType, Header};
use zstd::stream::read::Decoder;

use super::error::VerifyError;
use crate::digest::{Digest, DigestingStream};
use crate::format::{self, ArchiveEntry, BLOCK, MANIFEST_BYTES_MAX, MANIFEST_NAME};
use crate::manifest::slug_json::Manifest;
use crate::path::{SlugPath, shown};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads the tar stream inside a slug.
pub(super) struct SlugReader<R: Read> {
    decoder: Decoder<'static, BufReader<DigestingStream<R>>>,
    /// Unpacked bytes so far.
    unpacked: u64,
    /// The entry being read, for errors.
    pub(super) current: String,
}

impl<R: Read> SlugReader<R> {
    pub(super) fn open(reader: R) -> Result<Self, VerifyError> {
        let input = BufReader::with_capacity(CHUNK_BYTES, DigestingStream::new(reader));
        let mut decoder = Decoder::with_buffer(input)
            .map_err(VerifyError::Compression)?
            .single_frame();
        decoder
            .window_log_max(format::ZSTD_WINDOW_LOG_MAX)
            .map_err(VerifyError::Compression)?;
        Ok(Self {
            decoder,
            unpacked: 0,
            current: MANIFEST_NAME.to_owned(),
        })
    }

    /// Reads the first entry, which must be the manifest.
    pub(super) fn read_manifest(&mut self) -> Result<Manifest, VerifyError> {
        let header = self.read_header()?.ok_or_else(|| VerifyError::NoManifest {
            entry: "nothing".to_owned(),
        })?;
        let name = header.path_bytes();
        if *name != *MANIFEST_NAME.as_bytes() {
            return Err(VerifyError::NoManifest {
                entry: shown(&name),
            });
        }
        check_is_file(&header, MANIFEST_NAME)?;
        let size = header.entry_size().unwrap_or(u64::MAX);
        if size > MANIFEST_BYTES_MAX {
            return Err(VerifyError::TooLarge {
                entry: MANIFEST_NAME.to_owned(),
                what: "16 MiB of manifest",
            });
        }
        self.check_canonical(&header, MANIFEST_NAME, ArchiveEntry::File(size))?;
        let mut text = Vec::new();
        self.read_contents(size, |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        Manifest::from_json(&text).map_err(VerifyError::Manifest)
    }

    /// Reads the head of the next entry, which must be this one.
    pub(super) fn read_head(
        &mut self,
        path: &SlugPath,
        entry: ArchiveEntry<'_>,
        manifest: &Manifest,
    ) -> Result<(), VerifyError> {
        let expected = format::archive_name(path.as_str());
        self.current = shown(expected.as_bytes());
        let header = self.read_header()?.ok_or_else(|| VerifyError::Truncated {
            entry: self.current.clone(),
        })?;
        let head = format::entry_head(&expected, entry);
        if head.len() > BLOCK && header.entry_type() == EntryType::XHeader {
            return self.check_long_head(&header, &head);
        }
        let name = header.path_bytes();
        let is_link = matches!(entry, ArchiveEntry::Link(_)) && header.entry_type().is_symlink();
        if !is_link {
            check_is_file(&header, &shown(&name))?;
        }
        check_name(&name)?;
        if *name != *expected.as_bytes() {
            return Err(unexpected_entry(&name, path, manifest));
        }
        self.check_canonical(&header, &expected, entry)
    }

    /// Reads the rest of a head that begins with a PAX record. The head must be the one that `pack` writes.
    fn check_long_head(&mut self, first: &Header, head: &[u8]) -> Result<(), VerifyError> {
        let mut rest = vec![0; head.len() - BLOCK];
        self.fill(&mut rest)?;
        if first.as_bytes() == &head[..BLOCK] && rest == head[BLOCK..] {
            return Ok(());
        }
        Err(VerifyError::NotCanonical {
            entry: self.current.clone(),
        })
    }

    /// Checks that a header is the one that `pack` writes.
    fn check_canonical(
        &self,
        header: &Header,
        name: &str,
        entry: ArchiveEntry<'_>,
    ) -> Result<(), VerifyError> {
        if format::entry_head(name, entry) == header.as_bytes() {
            return Ok(());
        }
        Err(VerifyError::NotCanonical {
            entry: shown(name.as_bytes()),
        })
    }

    /// Reads the next block as a header; `None` at the end of the archive.
    fn read_header(&mut self) -> Result<Option<Header>, VerifyError> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        self.fill(block)?;
        Ok(block.iter().any(|byte| *byte != 0).then_some(header))
    }

    /// Reads the contents of an entry and the padding after them. Returns the digest of the contents.
    pub(super) fn read_contents(
        &mut self,
        bytes: u64,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Digest, VerifyError> {
        let mut digest = DigestingStream::new(io::sink());
        let mut chunk = vec![0; CHUNK_BYTES.min(bytes as usize)];
        let mut left = bytes;
        while left > 0 {
            let part = &mut chunk[..left.min(CHUNK_BYTES as u64) as usize];
            self.fill(part)?;
            let written = digest.write_all(part).and_then(|()| each(part));
            written.map_err(|source| VerifyError::Write {
                entry: self.current.clone(),
                source,
            })?;
            left -= part.len() as u64;
        }
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..format::padding(bytes)];
        self.fill(padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(VerifyError::NotCanonical {
                entry: self.current.clone(),
            });
        }
        Ok(digest.digest())
    }

    /// Reads the two zero blocks at the end, and checks that nothing follows them, packed or unpacked.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<(SlugId, u64), VerifyError> {
        self.current = "the end".to_owned();
        if let Some(header) = self.read_header()? {
            let name = header.path_bytes();
            check_is_file(&header, &shown(&name))?;
            check_name(&name)?;
            return Err(entry_after_last(&name, manifest));
        }
        if self.read_header()?.is_some() {
            return Err(VerifyError::Trailing {
                place: "between the archive's last blocks",
            });
        }
        if self.read(&mut [0])? != 0 {
            return Err(VerifyError::Trailing {
                place: "in the archive",
            });
        }
        let mut input = self.decoder.finish();
        if input.read(&mut [0]).map_err(VerifyError::Read)? != 0 {
            return Err(VerifyError::Trailing {
                place: "after the compressed part",
            });
        }
        let input = input.into_inner();
        Ok((SlugId::new(*input.digest().bytes()), input.passed()))
    }

    /// Fills a buffer. Fails if the slug ends before that.
    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), VerifyError> {
        while !buffer.is_empty() {
            let read = self.read(buffer)?;
            if read == 0 {
                return Err(VerifyError::Truncated {
                    entry: self.current.clone(),
                });
            }
            buffer = &mut buffer[read..];
        }
        Ok(())
    }

    /// Reads unpacked bytes, within the limits of a slug.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, VerifyError> {
        let read = self
            .decoder
            .read(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => VerifyError::Truncated {
                    entry: self.current.clone(),
                },
                _ => VerifyError::Compression(error),
            })?;
        self.unpacked += read as u64;
        let packed = self.decoder.get_ref().get_ref().passed();
        let too_large = |what| VerifyError::TooLarge {
            entry: self.current.clone(),
            what,
        };
        if packed > format::SLUG_BYTES_MAX {
            return Err(too_large("520 MiB packed"));
        }
        if self.unpacked > format::TAR_BYTES_MAX {
            return Err(too_large("500 MiB unpacked"));
        }
        if format::is_bomb(self.unpacked, packed) {
            return Err(VerifyError::Bomb {
                entry: self.current.clone(),
            });
        }
        Ok(read)
    }
}

/// Refuses a name that no entry may have.
fn check_name(name: &[u8]) -> Result<(), VerifyError> {
    let entry = || shown(name);
    if name == MANIFEST_NAME.as_bytes() {
        return Err(VerifyError::SecondManifest);
    }
    let named = |source| VerifyError::Name {
        entry: entry(),
        source,
    };
    match format::name_in_app(name) {
        Some(path) => SlugPath::from_bytes(path).map(drop).map_err(named),
        // For an absolute name or one with `..`, the rule that it breaks is the better error.
        None => match SlugPath::from_bytes(name) {
            Ok(_) => Err(VerifyError::Outside { entry: entry() }),
            Err(source) => Err(named(source)),
        },
    }
}

/// Refuses an entry that is no plain file.
fn check_is_file(header: &Header, entry: &str) -> Result<(), VerifyError> {
    let what = match header.entry_type() {
        EntryType::Regular => return Ok(()),
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::Directory => "a folder entry",
        EntryType::GNUSparse => "a sparse file",
        EntryType::GNULongName | EntryType::GNULongLink => "a GNU long-name record",
        EntryType::XGlobalHeader | EntryType::XHeader => "a PAX record",
        _ => "of an unknown type",
    };
    Err(VerifyError::NotAFile {
        entry: entry.to_owned(),
        what,
    })
}

/// The error for a well-formed entry that is not the next one.
fn unexpected_entry(name: &[u8], next: &SlugPath, manifest: &Manifest) -> VerifyError {
    let found = format::name_in_app(name).and_then(|path| SlugPath::from_bytes(path).ok());
    match found {
        // Files are in the manifest's order, so a smaller name that the manifest has was there before.
        Some(path) if path < *next && manifest.files.contains_key(&path) => {
            VerifyError::Duplicate { entry: shown(name) }
        }
        _ => VerifyError::Unexpected {
            entry: shown(name),
            expected: shown(next.as_str().as_bytes()),
        },
    }
}

/// The error for a well-formed entry after the last one.
fn entry_after_last(name: &[u8], manifest: &Manifest) -> VerifyError {
    let found = format::name_in_app(name).and_then(|path| SlugPath::from_bytes(path).ok());
    match found {
        Some(path) if manifest.files.contains_key(&path) || manifest.links.contains_key(&path) => {
            VerifyError::Duplicate { entry: shown(name) }
        }
        _ => VerifyError::Unexpected {
            entry: shown(name),
            expected: "nothing more".to_owned(),
        },
    }
}

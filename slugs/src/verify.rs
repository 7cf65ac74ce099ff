//! Owns the check of a slug that comes from a stranger, and its unpacking while it is checked.
//! Must not know where the bytes come from or who asked.
//!
//! There is one valid form for each content: the manifest says which files follow and in which order,
//! every header must be byte for byte the one that packing writes, every padding byte zero. So links,
//! devices, extension records, sparse files, second names and hidden data have no place to be.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use grid::desired::Kind;
use grid::name::{ProcessType, SlugId};
use tar::{EntryType, Header};
use zstd::stream::read::Decoder;

use crate::component::{self, InspectError, UnfitError, World};
use crate::digest::{Digest, Digesting};
use crate::format::{self, BLOCK, MANIFEST_BYTES_MAX, MANIFEST_NAME};
use crate::manifest::{FileRecord, Manifest, ManifestError};
use crate::path::{PathError, SlugPath, shown};
use crate::slug::Slug;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Mode of an unpacked file.
const FILE_MODE: u32 = 0o444;
/// Mode of an unpacked folder.
const FOLDER_MODE: u32 = 0o555;

/// Why a slug is refused as a whole. `entry` is the name as it stands in the archive, made safe to show.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The source of the bytes failed.
    #[error("the slug cannot be read")]
    Read(#[source] io::Error),
    /// The place to unpack to failed.
    #[error("`{entry}` cannot be unpacked: is the disk full, or the folder read-only?")]
    Write {
        /// The entry.
        entry: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not zstd, damaged, or with a window that needs too much memory.
    #[error("not a slug, or damaged on its way (zstd): get it again, or build it again")]
    Compression(#[source] io::Error),
    /// It ends too early.
    #[error("cut off at `{entry}`: get it again, or build it again")]
    Truncated {
        /// The entry it ends in, or that should follow.
        entry: String,
    },
    /// Something after the end.
    #[error("data after the slug's end ({place}): build it with `dyno build`")]
    Trailing {
        /// Where.
        place: &'static str,
    },
    /// More than a slug may hold.
    #[error("`{entry}`: larger than a slug may be ({what}): leave files out with .slugignore")]
    TooLarge {
        /// The entry where the limit was reached.
        entry: String,
        /// Which limit.
        what: &'static str,
    },
    /// Unpacks to far more than any app would.
    #[error(
        "`{entry}`: unpacks to over {}× its size, as a bomb does: leave the file out, or make it when the app starts",
        format::RATIO_MAX
    )]
    Bomb {
        /// The entry where the limit was reached.
        entry: String,
    },
    /// The manifest is not the first entry.
    #[error(
        "the first entry is `{entry}`, and it must be {MANIFEST_NAME}: build it with `dyno build`"
    )]
    NoManifest {
        /// What is there instead.
        entry: String,
    },
    /// The manifest is there, but not acceptable.
    #[error("`{MANIFEST_NAME}` is refused")]
    Manifest(#[source] ManifestError),
    /// A second manifest.
    #[error("`{MANIFEST_NAME}` is there twice: build it with `dyno build`")]
    SecondManifest,
    /// A link, a device, an extension record …
    #[error("`{entry}` is {what}, and a slug holds plain files only: build it with `dyno build`")]
    NotAFile {
        /// The entry.
        entry: String,
        /// What it is.
        what: &'static str,
    },
    /// A name that no file in a slug may have.
    #[error("`{entry}` is no name for a file in a slug")]
    Name {
        /// The entry.
        entry: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// Not below `app/`.
    #[error("`{entry}` is outside of the app's folder (app/): build it with `dyno build`")]
    Outside {
        /// The entry.
        entry: String,
    },
    /// The same name again.
    #[error("`{entry}` is there twice: build it with `dyno build`")]
    Duplicate {
        /// The entry.
        entry: String,
    },
    /// Not what the manifest says comes next.
    #[error("`{entry}` is there, and {MANIFEST_NAME} has `{expected}`: build it with `dyno build`")]
    Unexpected {
        /// The entry.
        entry: String,
        /// What should be there.
        expected: String,
    },
    /// A header, or the fill after a file, that packing would not have written.
    #[error("`{entry}` has a header or fill that no slug has: build it with `dyno build`")]
    NotCanonical {
        /// The entry.
        entry: String,
    },
    /// Other contents than the manifest says.
    #[error(
        "`{entry}` does not match its digest in {MANIFEST_NAME}: get the slug again, or build it again"
    )]
    Digest {
        /// The entry.
        entry: String,
    },
    /// A component that cannot run here.
    #[error("`{entry}` cannot run here")]
    Component {
        /// The entry.
        entry: String,
        /// Why.
        #[source]
        source: InspectError,
    },
    /// A component that cannot be what the manifest makes of it.
    #[error("`{entry}` cannot be `{process}`")]
    Unfit {
        /// The entry.
        entry: String,
        /// The process type.
        process: ProcessType,
        /// Why.
        #[source]
        source: UnfitError,
    },
    /// A component that is something else than the manifest says.
    #[error(
        "`{entry}` is not the {said} that {MANIFEST_NAME} says for `{process}`: build it with `dyno build`"
    )]
    World {
        /// The entry.
        entry: String,
        /// The process type.
        process: ProcessType,
        /// The world that is claimed.
        said: World,
    },
}

/// Checks a slug from its first byte to its last. Takes bounded memory (the largest component, and the manifest).
pub fn verify(reader: impl Read) -> Result<Slug, VerifyError> {
    walk(reader, None)
}

/// Checks a slug and writes its files below a folder, which should be empty. On an error what was
/// written so far is there still: the caller throws the folder away.
pub(crate) fn unpack(reader: impl Read, into: &Dir) -> Result<Slug, VerifyError> {
    walk(reader, Some(into))
}

/// Reads only the manifest of a slug that was checked before.
pub(crate) fn manifest(reader: impl Read) -> Result<Manifest, VerifyError> {
    Stream::open(reader)?.manifest()
}

fn walk(reader: impl Read, into: Option<&Dir>) -> Result<Slug, VerifyError> {
    let mut stream = Stream::open(reader)?;
    let manifest = stream.manifest()?;
    let components = manifest.components();
    let mut sink = Sink {
        into,
        folders: BTreeSet::new(),
    };
    for (path, record) in &manifest.files {
        stream.entry(path, record, &manifest)?;
        let mut kept = components.contains(path).then(Vec::new);
        let mut file = sink.file(path)?;
        let digest = stream.contents(record.bytes, |bytes| {
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
            file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
        })?;
        if digest != record.sha256 {
            return Err(VerifyError::Digest { entry: stream.at });
        }
        if let Some(bytes) = kept {
            check_component(path, &bytes, &manifest)?;
        }
    }
    sink.close()?;
    drop(components);
    let (id, bytes) = stream.close(&manifest)?;
    Ok(Slug::new(id, bytes, manifest))
}

/// A component must be what the manifest makes of it, for every process type that runs it.
fn check_component(path: &SlugPath, bytes: &[u8], manifest: &Manifest) -> Result<(), VerifyError> {
    let entry = || shown(path.as_str().as_bytes());
    let component = component::inspect(bytes).map_err(|source| VerifyError::Component {
        entry: entry(),
        source,
    })?;
    for (process, claimed) in manifest
        .processes
        .iter()
        .filter(|(_, claimed)| claimed.component == *path)
    {
        let unfit = |source| VerifyError::Unfit {
            entry: entry(),
            process: process.clone(),
            source,
        };
        let found: (World, Kind) = component.fit(process).map_err(unfit)?;
        if found != (claimed.world, claimed.kind) {
            return Err(VerifyError::World {
                entry: entry(),
                process: process.clone(),
                said: claimed.world,
            });
        }
    }
    Ok(())
}

/// Where files go: nowhere, or below a folder.
struct Sink<'a> {
    into: Option<&'a Dir>,
    folders: BTreeSet<String>,
}

impl Sink<'_> {
    fn file(&mut self, path: &SlugPath) -> Result<Option<cap_std::fs::File>, VerifyError> {
        let Some(into) = self.into else {
            return Ok(None);
        };
        let failed = |source| VerifyError::Write {
            entry: shown(path.as_str().as_bytes()),
            source,
        };
        for folder in path.folders() {
            if !self.folders.contains(folder) {
                into.create_dir(folder).map_err(failed)?;
                self.folders.insert(folder.to_owned());
            }
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        into.open_with(path.as_str(), &options)
            .map(Some)
            .map_err(failed)
    }

    /// Makes the folders read-only, innermost first.
    fn close(&self) -> Result<(), VerifyError> {
        let Some(into) = self.into else {
            return Ok(());
        };
        for folder in self.folders.iter().rev().map(String::as_str).chain(["."]) {
            into.set_permissions(Path::new(folder), Permissions::from_mode(FOLDER_MODE))
                .map_err(|source| VerifyError::Write {
                    entry: shown(folder.as_bytes()),
                    source,
                })?;
        }
        Ok(())
    }
}

/// The packed bytes as they come in: counted, digested, limited.
type Intake<R> = Digesting<R>;

/// The tar stream inside a slug.
struct Stream<R: Read> {
    decoder: Decoder<'static, BufReader<Intake<R>>>,
    /// Bytes that came out so far.
    unpacked: u64,
    /// The entry being read, for errors.
    at: String,
}

impl<R: Read> Stream<R> {
    fn open(reader: R) -> Result<Self, VerifyError> {
        let input = BufReader::with_capacity(CHUNK_BYTES, Digesting::new(reader));
        let mut decoder = Decoder::with_buffer(input)
            .map_err(VerifyError::Compression)?
            .single_frame();
        decoder
            .window_log_max(format::ZSTD_WINDOW_LOG_MAX)
            .map_err(VerifyError::Compression)?;
        Ok(Self {
            decoder,
            unpacked: 0,
            at: MANIFEST_NAME.to_owned(),
        })
    }

    /// Reads the first entry, which must be the manifest.
    fn manifest(&mut self) -> Result<Manifest, VerifyError> {
        let header = self.header()?.ok_or_else(|| VerifyError::NoManifest {
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
        self.check_canonical(&header, MANIFEST_NAME, size)?;
        let mut text = Vec::new();
        self.contents(size, |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        Manifest::from_json(&text).map_err(VerifyError::Manifest)
    }

    /// Reads the header that the manifest says comes next.
    fn entry(
        &mut self,
        path: &SlugPath,
        record: &FileRecord,
        manifest: &Manifest,
    ) -> Result<(), VerifyError> {
        let expected = format::in_archive(path.as_str());
        self.at = shown(expected.as_bytes());
        let header = self.header()?.ok_or_else(|| VerifyError::Truncated {
            entry: self.at.clone(),
        })?;
        let name = header.path_bytes();
        check_name(&header, &name)?;
        if *name != *expected.as_bytes() {
            return Err(unexpected(&name, path, manifest));
        }
        self.check_canonical(&header, &expected, record.bytes)
    }

    fn check_canonical(&self, header: &Header, name: &str, size: u64) -> Result<(), VerifyError> {
        match format::header(name, size) {
            Some(only) if only.as_bytes() == header.as_bytes() => Ok(()),
            _ => Err(VerifyError::NotCanonical {
                entry: shown(name.as_bytes()),
            }),
        }
    }

    /// The next block as a header; none where the archive ends.
    fn header(&mut self) -> Result<Option<Header>, VerifyError> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        self.fill(block)?;
        Ok(block.iter().any(|byte| *byte != 0).then_some(header))
    }

    /// Reads the contents of an entry and the fill after it; gives the digest.
    fn contents(
        &mut self,
        bytes: u64,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Digest, VerifyError> {
        let mut digest = Digesting::new(io::sink());
        let mut chunk = vec![0; CHUNK_BYTES.min(bytes as usize)];
        let mut left = bytes;
        while left > 0 {
            let part = &mut chunk[..left.min(CHUNK_BYTES as u64) as usize];
            self.fill(part)?;
            let written = digest.write_all(part).and_then(|()| each(part));
            written.map_err(|source| VerifyError::Write {
                entry: self.at.clone(),
                source,
            })?;
            left -= part.len() as u64;
        }
        let mut fill = [0; BLOCK];
        let fill = &mut fill[..format::padding(bytes)];
        self.fill(fill)?;
        if fill.iter().any(|byte| *byte != 0) {
            return Err(VerifyError::NotCanonical {
                entry: self.at.clone(),
            });
        }
        Ok(digest.digest())
    }

    /// Reads the two zero blocks at the end and sees to it that nothing follows, packed or unpacked.
    fn close(mut self, manifest: &Manifest) -> Result<(SlugId, u64), VerifyError> {
        self.at = "the end".to_owned();
        if let Some(header) = self.header()? {
            let name = header.path_bytes();
            check_name(&header, &name)?;
            return Err(after_last(&name, manifest));
        }
        if self.header()?.is_some() {
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

    /// Fills a buffer, or says that the slug is cut off.
    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), VerifyError> {
        while !buffer.is_empty() {
            let read = self.read(buffer)?;
            if read == 0 {
                return Err(VerifyError::Truncated {
                    entry: self.at.clone(),
                });
            }
            buffer = &mut buffer[read..];
        }
        Ok(())
    }

    /// Reads unpacked bytes, within the limits.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, VerifyError> {
        let read = self
            .decoder
            .read(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => VerifyError::Truncated {
                    entry: self.at.clone(),
                },
                _ => VerifyError::Compression(error),
            })?;
        self.unpacked += read as u64;
        let packed = self.decoder.get_ref().get_ref().passed();
        let too_large = |what| VerifyError::TooLarge {
            entry: self.at.clone(),
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
                entry: self.at.clone(),
            });
        }
        Ok(read)
    }
}

/// Refuses what is no plain file, or has a name that none may have.
fn check_name(header: &Header, name: &[u8]) -> Result<(), VerifyError> {
    let entry = || shown(name);
    check_is_file(header, &entry())?;
    if name == MANIFEST_NAME.as_bytes() {
        return Err(VerifyError::SecondManifest);
    }
    let named = |source| VerifyError::Name {
        entry: entry(),
        source,
    };
    match format::from_archive(name) {
        Some(path) => SlugPath::from_bytes(path).map(drop).map_err(named),
        // An absolute or climbing name is told as such, whatever folder it means.
        None => match SlugPath::from_bytes(name) {
            Ok(_) => Err(VerifyError::Outside { entry: entry() }),
            Err(source) => Err(named(source)),
        },
    }
}

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

/// What to say of a well-formed entry that is not the next one.
fn unexpected(name: &[u8], next: &SlugPath, manifest: &Manifest) -> VerifyError {
    let found = format::from_archive(name).and_then(|path| SlugPath::from_bytes(path).ok());
    match found {
        // Files come in the manifest's order, so a smaller name that it has was there before.
        Some(path) if path < *next && manifest.files.contains_key(&path) => {
            VerifyError::Duplicate { entry: shown(name) }
        }
        _ => VerifyError::Unexpected {
            entry: shown(name),
            expected: shown(next.as_str().as_bytes()),
        },
    }
}

/// What to say of a well-formed entry after the last one.
fn after_last(name: &[u8], manifest: &Manifest) -> VerifyError {
    let found = format::from_archive(name).and_then(|path| SlugPath::from_bytes(path).ok());
    match found {
        Some(path) if manifest.files.contains_key(&path) => {
            VerifyError::Duplicate { entry: shown(name) }
        }
        _ => VerifyError::Unexpected {
            entry: shown(name),
            expected: "nothing more".to_owned(),
        },
    }
}

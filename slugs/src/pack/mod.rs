//! Owns the making of a slug file from a build: the same input gives the same bytes.
//! Must not know how the components were built.

mod collect;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use grid::name::{ProcessType, SlugId};
use zstd::stream::write::Encoder;

use crate::build::{Built, BuiltComponent};
use crate::component::{self, InspectError, UnfitError};
use crate::digest::Digesting;
use crate::format::{self, COMPONENT_BYTES_MAX, FORMAT, MANIFEST_BYTES_MAX, MANIFEST_NAME};
use crate::manifest::{Command, FileRecord, Manifest, ManifestError, Process, Warning};
use crate::path::{PathError, SlugPath};
use crate::slug::Slug;

pub use collect::ALWAYS_LEFT_OUT;

/// Mode of a slug file, less what the process's umask takes.
const SLUG_MODE: u32 = 0o666;
/// Bytes written to the disk at a time.
const WRITE_BYTES: usize = 256 << 10;

/// A slug file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What it is.
    pub slug: Slug,
    /// Where it is.
    pub file: PathBuf,
    /// What deserves a word.
    pub warnings: Vec<Warning>,
}

/// Why no slug was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The disk said no.
    #[error("{} cannot be read", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk said no.
    #[error("{} cannot be written: is the disk full, or the folder read-only?", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A name that no slug holds.
    #[error("`{name}` cannot be in a slug; rename it, or leave it out with .slugignore")]
    Name {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: PathError,
    },
    /// A symbolic link, a pipe …
    #[error(
        "`{name}` is {what}, and a slug holds plain files only: copy the file in its place, or leave it out with .slugignore"
    )]
    NotAFile {
        /// Its name.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// A pattern that is none.
    #[error("{place}: `{pattern}` is no gitignore pattern")]
    Pattern {
        /// Where it is written.
        place: &'static str,
        /// As written.
        pattern: String,
        /// Why.
        #[source]
        source: ignore::Error,
    },
    /// More than a slug holds.
    #[error(
        "there are more files and folders than the {} that a slug holds: leave some out with .slugignore",
        format::ENTRIES_MAX
    )]
    TooManyFiles,
    /// A process type whose component is not there.
    #[error(
        "`{process}` runs `{component}`, which is not there: {}",
        made(available)
    )]
    NoComponent {
        /// The process type.
        process: ProcessType,
        /// The file it names.
        component: SlugPath,
        /// What the build made.
        available: Vec<SlugPath>,
    },
    /// Several components, and nothing that says what they are for.
    #[error("there are several components ({}): say in a Procfile which one is which, as in `web: {}`", list(available), available[0])]
    NoProcfile {
        /// What the build made.
        available: Vec<SlugPath>,
    },
    /// A component that cannot run here.
    #[error("`{component}` cannot run here")]
    Component {
        /// The file.
        component: SlugPath,
        /// Why.
        #[source]
        source: InspectError,
    },
    /// A component that cannot be what it is named for.
    #[error("`{component}` cannot be `{process}`")]
    Unfit {
        /// The file.
        component: SlugPath,
        /// The process type.
        process: ProcessType,
        /// Why.
        #[source]
        source: UnfitError,
    },
    /// A formation of nothing.
    #[error(
        "the formation (dyno.toml, app.json) names `{process}`, which is no process type of the app; it has {known}"
    )]
    Formation {
        /// The process type.
        process: ProcessType,
        /// What there is.
        known: String,
    },
    /// Over one of a slug's limits.
    #[error("the app does not fit into a slug; leave files out with .slugignore")]
    Manifest(#[source] ManifestError),
    /// Unpacks to far more than any app would.
    #[error(
        "the app's files shrink to less than 1/{} when packed, which is refused as a bomb: leave out the large file of equal bytes, or make it when the app starts",
        format::RATIO_MAX
    )]
    Bomb,
    /// Someone wrote to the folder meanwhile.
    #[error("`{name}` changed while it was packed: build again")]
    Changed {
        /// The file.
        name: SlugPath,
    },
}

fn list(paths: &[SlugPath]) -> String {
    paths
        .iter()
        .map(|path| format!("`{path}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn made(available: &[SlugPath]) -> String {
    match available {
        [] => "build it first, or correct the Procfile".to_owned(),
        _ => format!("the build made {}; correct the Procfile", list(available)),
    }
}

/// Packs a build into one file, written beside its final name and then renamed, so that there is a whole slug or none.
pub fn pack(built: &Built, file: &Path) -> Result<Packed, PackError> {
    let sources = collect::collect(built, file)?;
    let manifest = manifest(built, &sources)?;
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |source| PackError::Write {
        path: file.to_owned(),
        source,
    };
    let temporary = tempfile::Builder::new()
        .prefix(".dyno-")
        // Left out of every slug, should this process be killed here.
        .suffix(".slug")
        .permissions(fs::Permissions::from_mode(SLUG_MODE))
        .tempfile_in(folder)
        .map_err(failed)?;
    let (id, bytes) = write(&sources, &manifest, temporary.as_file(), file)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(file)
        .map_err(|error| failed(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(Packed {
        slug: Slug::new(id, bytes, manifest),
        file: file.to_owned(),
        warnings: built.warnings().to_vec(),
    })
}

/// Digests all files and says what they are.
fn manifest(built: &Built, sources: &BTreeMap<SlugPath, PathBuf>) -> Result<Manifest, PackError> {
    let mut files = BTreeMap::new();
    for (path, source) in sources {
        files.insert(path.clone(), record(source)?);
    }
    let processes = processes(built, sources)?;
    let formation = built.project.formation();
    if let Some(process) = formation
        .keys()
        .find(|process| !processes.contains_key(process))
    {
        let known: Vec<&str> = processes.keys().map(ProcessType::as_str).collect();
        return Err(PackError::Formation {
            process: process.clone(),
            known: known.join(", "),
        });
    }
    let manifest = Manifest {
        format: FORMAT,
        builder: built.builder.clone(),
        processes,
        formation,
        env: built.project.app_json.env.clone(),
        files,
    };
    manifest.check().map_err(PackError::Manifest)?;
    let bytes = manifest.to_json().len() as u64;
    if bytes > MANIFEST_BYTES_MAX {
        let too_much = ManifestError::TooMuch {
            what: "bytes of slug.json",
            most: MANIFEST_BYTES_MAX,
        };
        return Err(PackError::Manifest(too_much));
    }
    Ok(manifest)
}

fn record(source: &Path) -> Result<FileRecord, PackError> {
    let failed = |error| PackError::Read {
        path: source.to_owned(),
        source: error,
    };
    let mut reader = Digesting::new(File::open(source).map_err(failed)?);
    io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
    Ok(FileRecord {
        bytes: reader.passed(),
        sha256: reader.digest(),
    })
}

/// What each process type runs: by the Procfile, or the only component as `web`.
fn processes(
    built: &Built,
    sources: &BTreeMap<SlugPath, PathBuf>,
) -> Result<BTreeMap<ProcessType, Process>, PackError> {
    let available = || {
        built
            .components
            .iter()
            .map(|component| component.path.clone())
            .collect::<Vec<_>>()
    };
    let commands = match (&built.project.procfile, built.components.as_slice()) {
        (Some(procfile), _) => procfile.processes.clone(),
        (None, [BuiltComponent { path, .. }]) => BTreeMap::from([(
            ProcessType::web(),
            Command {
                component: path.clone(),
                args: Vec::new(),
            },
        )]),
        (None, _) => {
            return Err(PackError::NoProcfile {
                available: available(),
            });
        }
    };
    let mut inspected = BTreeMap::new();
    let mut processes = BTreeMap::new();
    for (process, Command { component, args }) in commands {
        let source = sources
            .get(&component)
            .ok_or_else(|| PackError::NoComponent {
                process: process.clone(),
                component: component.clone(),
                available: available(),
            })?;
        if !inspected.contains_key(&component) {
            inspected.insert(component.clone(), inspect(&component, source)?);
        }
        let unfit = |source| PackError::Unfit {
            component: component.clone(),
            process: process.clone(),
            source,
        };
        let (world, kind) = inspected[&component].fit(&process).map_err(unfit)?;
        let limits = built.project.settings.limits;
        processes.insert(
            process,
            Process {
                component,
                args,
                world,
                kind,
                limits,
            },
        );
    }
    Ok(processes)
}

fn inspect(component: &SlugPath, source: &Path) -> Result<component::Component, PackError> {
    let failed = |error| PackError::Read {
        path: source.to_owned(),
        source: error,
    };
    let mut bytes = Vec::new();
    File::open(source)
        .map_err(failed)?
        .take(COMPONENT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    component::inspect(&bytes).map_err(|source| PackError::Component {
        component: component.clone(),
        source,
    })
}

/// Writes the archive; gives its digest and size.
fn write(
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
    let header =
        format::header(name, bytes).expect("the names of slug paths fit, and the manifest's does");
    out.write_all(header.as_bytes())?;
    contents(out)?;
    let fill = format::padding(bytes);
    out.write_all(&[0; format::BLOCK][..fill])?;
    Ok((format::BLOCK + fill) as u64 + bytes)
}

//! Owns the reading of `.wasm` files: which worlds one speaks, and so which kinds of process it can be.
//! Must not know where the file came from. It reads imports and exports and nothing else: whether
//! the code within is valid is found when it is compiled, in a process of its own with limits.
//!
//! Type sections are deliberately never parsed here: they nest without bound, and a parser that
//! recurses into a hostile one overflows its stack.

mod hosted;

use std::collections::BTreeSet;
use std::fmt;

use grid::desired::Kind;
use grid::name::ProcessType;
use serde::{Deserialize, Serialize};
use wasmparser::{Chunk, ComponentExternalKind, Encoding, ExternalKind, Parser, Payload};

use crate::format::COMPONENT_BYTES_MAX;
use crate::path::shown;

/// Most imports, and most exports, of a component: all interfaces that are hosted are under 60.
const NAMES_MAX: usize = 1_000;
/// Longest name that is kept, in bytes: no hosted name comes near.
const NAME_BYTES_MAX: usize = 256;
/// Module that WASI preview 1 functions are imported from.
const WASIP1_MODULE: &str = "wasi_snapshot_preview1";
/// Export by which a wasip1 command starts.
const WASIP1_START: &str = "_start";

/// A contract between a component and its host, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum World {
    /// Answers HTTP requests, WASI 0.3.
    #[serde(rename = "wasi:http/handler@0.3")]
    Handler03,
    /// Answers HTTP requests, WASI 0.2.
    #[serde(rename = "wasi:http/incoming-handler@0.2")]
    Handler02,
    /// A command, WASI 0.3.
    #[serde(rename = "wasi:cli/run@0.3")]
    Run03,
    /// A command, WASI 0.2.
    #[serde(rename = "wasi:cli/run@0.2")]
    Run02,
    /// A command as a core module, WASI preview 1: no sockets to listen on.
    #[serde(rename = "wasip1")]
    Wasip1,
}

impl World {
    /// The text form, as in `slug.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler03 => "wasi:http/handler@0.3",
            Self::Handler02 => "wasi:http/incoming-handler@0.2",
            Self::Run03 => "wasi:cli/run@0.3",
            Self::Run02 => "wasi:cli/run@0.2",
            Self::Wasip1 => "wasip1",
        }
    }

    /// Whether it answers HTTP requests without a socket.
    pub fn is_handler(self) -> bool {
        matches!(self, Self::Handler03 | Self::Handler02)
    }

    /// The kind that a process of this type gets from this world, if it can be one at all.
    fn kind(self, process: &ProcessType) -> Option<Kind> {
        match (self.is_handler(), process.is_web()) {
            (true, true) => Some(Kind::Handler),
            (true, false) => None,
            (false, true) => (self != Self::Wasip1).then_some(Kind::Server),
            (false, false) => Some(Kind::Process),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a `.wasm` file exports and imports. All its imports are hosted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    worlds: BTreeSet<World>,
    exports: Vec<String>,
    imports: Vec<String>,
}

impl Component {
    /// The worlds it speaks, best first; at least one.
    pub fn worlds(&self) -> impl Iterator<Item = World> + '_ {
        self.worlds.iter().copied()
    }

    /// Names it exports (for a core module: only `_start`).
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// Interfaces it imports (for a core module: functions), each once.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Whether it needs a host with WASI 0.3, and so with component-model async.
    pub fn needs_wasi_03(&self) -> bool {
        let is_03 = |name: &String| name.starts_with("wasi:") && name.contains("@0.3.");
        self.exports.iter().chain(&self.imports).any(is_03)
    }

    /// How it runs as this type of process: the best world that fits, and the kind that makes.
    pub fn fit(&self, process: &ProcessType) -> Result<(World, Kind), UnfitError> {
        self.worlds()
            .find_map(|world| Some((world, world.kind(process)?)))
            .ok_or_else(|| match process.is_web() {
                true => UnfitError::CannotListen,
                false => UnfitError::OnlyHandles {
                    process: process.clone(),
                },
            })
    }
}

/// Why a component cannot be the process it is named for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitError {
    /// A wasip1 command as `web`.
    #[error(
        "it is a core wasip1 module, which has no way to answer HTTP, so it cannot be `web`: \
         name it as another process type in the Procfile (`worker: FILE.wasm`), or build it for wasip2"
    )]
    CannotListen,
    /// A handler as a worker.
    #[error(
        "it only answers HTTP requests, and only `web` gets those, so it cannot be `{process}`: \
         name it as `web`, or give it a `main` (export wasi:cli/run)"
    )]
    OnlyHandles {
        /// The process type it was named for.
        process: ProcessType,
    },
}

/// Why a file is not a component (or wasip1 module) that can run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// Not wasm at all.
    #[error(
        "not a WebAssembly file (it does not begin with `\\0asm`): name the `.wasm` file that the build makes"
    )]
    NotWasm,
    /// Not well-formed.
    #[error("broken WebAssembly at byte {offset}: {reason}; build it again")]
    Broken {
        /// Where reading failed.
        offset: u64,
        /// What the parser said.
        reason: String,
    },
    /// Over the limit.
    #[error(
        "{bytes} bytes, and a component may have at most {COMPONENT_BYTES_MAX}: strip it, or move data into files beside it"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Over the limit.
    #[error("more than {NAMES_MAX} imports or exports; link fewer interfaces into it")]
    TooManyNames,
    /// An import that no dyno is given.
    #[error("it imports `{import}`, which is not hosted: {why}")]
    NotHosted {
        /// The import's full name.
        import: String,
        /// What is hosted instead.
        why: String,
    },
    /// A core module that is not a command.
    #[error(
        "a core module without `_start`: build it as a command (with a `main`), or as a component"
    )]
    NoStart,
    /// A component without a known export.
    #[error(
        "it exports {found}, but none of what can run: `wasi:http/handler@0.3.0`, \
         `wasi:http/incoming-handler@0.2.x` or `wasi:cli/run@0.2.x`/`@0.3.0`; build it for one of these worlds"
    )]
    NoWorld {
        /// Some of what it does export.
        found: String,
    },
}

/// Reads a `.wasm` file's imports and exports. Takes time linear in the file's size and a bounded
/// amount of memory, whatever the bytes.
pub fn inspect(bytes: &[u8]) -> Result<Component, InspectError> {
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(InspectError::TooLarge {
            bytes: bytes.len() as u64,
        });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(InspectError::NotWasm);
    }
    let names = read_names(bytes)?;
    for import in &names.imports {
        let outcome = match names.encoding {
            Encoding::Component => hosted::interface(import),
            Encoding::Module => hosted::preview1(import),
        };
        outcome.map_err(|why| InspectError::NotHosted {
            import: shown(import.as_bytes()),
            why,
        })?;
    }
    let worlds = match names.encoding {
        Encoding::Module if names.exports.is_empty() => return Err(InspectError::NoStart),
        Encoding::Module => BTreeSet::from([World::Wasip1]),
        Encoding::Component => worlds(&names.exports)?,
    };
    let imports = names.imports.into_iter().collect();
    Ok(Component {
        worlds,
        exports: names.exports,
        imports,
    })
}

/// The known worlds among the exports.
fn worlds(exports: &[String]) -> Result<BTreeSet<World>, InspectError> {
    let known: BTreeSet<World> = exports
        .iter()
        .filter_map(|name| hosted::export(name))
        .collect();
    if known.is_empty() {
        let some: Vec<String> = exports
            .iter()
            .take(5)
            .map(|name| format!("`{}`", shown(name.as_bytes())))
            .collect();
        let found = if some.is_empty() {
            "nothing".to_owned()
        } else {
            some.join(", ")
        };
        return Err(InspectError::NoWorld { found });
    }
    Ok(known)
}

/// The top level of a file: its names.
struct Names {
    encoding: Encoding,
    imports: BTreeSet<String>,
    exports: Vec<String>,
}

fn read_names(bytes: &[u8]) -> Result<Names, InspectError> {
    let mut names = Names {
        encoding: Encoding::Module,
        imports: BTreeSet::new(),
        exports: Vec::new(),
    };
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    loop {
        let (payload, consumed) = match parser.parse(rest, true).map_err(broken)? {
            Chunk::Parsed { payload, consumed } => (payload, consumed),
            Chunk::NeedMoreData(_) => return Err(ended(bytes)),
        };
        rest = &rest[consumed..];
        match payload {
            Payload::ModuleSection {
                unchecked_range, ..
            }
            | Payload::ComponentSection {
                unchecked_range, ..
            } => {
                rest = rest
                    .get(unchecked_range.len()..)
                    .ok_or_else(|| ended(bytes))?;
            }
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                rest = rest.get(size as usize..).ok_or_else(|| ended(bytes))?;
            }
            Payload::End(_) if rest.is_empty() => return Ok(names),
            Payload::End(_) => return Err(ended(bytes)),
            other => names.note(other)?,
        }
    }
}

impl Names {
    fn note(&mut self, payload: Payload<'_>) -> Result<(), InspectError> {
        match payload {
            Payload::Version { encoding, .. } => self.encoding = encoding,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(broken)?;
                    self.import(format!("{}::{}", import.module, import.name))?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if export.name == WASIP1_START && export.kind == ExternalKind::Func {
                        self.export(export.name)?;
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.import(import.map_err(broken)?.name.name.to_owned())?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if export.kind != ComponentExternalKind::Type {
                        self.export(export.name.name)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, name: String) -> Result<(), InspectError> {
        if name.len() > NAME_BYTES_MAX {
            let why = format!(
                "names of more than {NAME_BYTES_MAX} bytes are none of WASI's; build without it"
            );
            return Err(InspectError::NotHosted {
                import: shown(name.as_bytes()),
                why,
            });
        }
        self.imports.insert(name);
        self.check_count()
    }

    fn export(&mut self, name: &str) -> Result<(), InspectError> {
        if name.len() <= NAME_BYTES_MAX {
            self.exports.push(name.to_owned());
        }
        self.check_count()
    }

    fn check_count(&self) -> Result<(), InspectError> {
        let over = self.imports.len().max(self.exports.len()) > NAMES_MAX;
        if over {
            Err(InspectError::TooManyNames)
        } else {
            Ok(())
        }
    }
}

fn broken(error: wasmparser::BinaryReaderError) -> InspectError {
    InspectError::Broken {
        offset: error.offset() as u64,
        reason: shown(error.message().as_bytes()),
    }
}

fn ended(bytes: &[u8]) -> InspectError {
    InspectError::Broken {
        offset: bytes.len() as u64,
        reason: "sections do not end where the file does".to_owned(),
    }
}

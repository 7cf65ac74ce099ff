//! Owns the reading of `.wasm` files: which worlds one speaks, and so which kinds of process it can be.
//! Must not know where the file came from. It reads imports and exports and nothing else: whether
//! the code within is valid is found when it is compiled, in a process of its own with limits.

mod error;
mod hosted;
mod read;

use std::collections::BTreeSet;
use std::fmt;

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use serde::{Deserialize, Serialize};
use wasmparser::Encoding;

use crate::format::COMPONENT_BYTES_MAX;
use crate::path::shown;

pub use error::{InspectError, UnfitError};
use read::read_names;

/// Module that WASI preview 1 functions are imported from.
const WASIP1_MODULE: &str = "wasi_snapshot_preview1";

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
    fn kind(self, process: &ProcessType) -> Option<ProcessKind> {
        match (self.is_handler(), process.is_web()) {
            (true, true) => Some(ProcessKind::Handler),
            (true, false) => None,
            (false, true) => (self != Self::Wasip1).then_some(ProcessKind::Server),
            (false, false) => Some(ProcessKind::Process),
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

    /// Whether it can be run as a command, which ends by itself.
    pub fn is_command(&self) -> bool {
        self.worlds().any(|world| !world.is_handler())
    }

    /// How it runs as this type of process: the best world that fits, and the kind that makes.
    pub fn fit(&self, process: &ProcessType) -> Result<(World, ProcessKind), UnfitError> {
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
        if let Some(export) = exports
            .iter()
            .find(|name| hosted::is_candidate_export(name))
        {
            return Err(InspectError::Candidate {
                export: shown(export.as_bytes()),
            });
        }
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

//! Owns the reading of `.wasm` files: for which worlds a file is made, and so as which kinds of process it can run.
//! Must not know where the file came from. Only imports and exports are read: whether the code is valid shows when it is
//! compiled, in a process of its own with limits.

pub(crate) mod error;
mod hosted;
mod read;
pub(crate) mod world;

use std::collections::BTreeSet;

use grid::desired::ProcessKind;
use grid::name::ProcessType;
use wasmparser::Encoding;

use crate::format::COMPONENT_BYTES_MAX;
use crate::path::shown;

use read::read_names;

pub use error::{InspectError, UnfitError};
pub use world::World;

/// The import by which a core module accepts connections.
const ACCEPT: &str = "wasi_snapshot_preview1::sock_accept";

/// The exports and imports of a `.wasm` file. A dyno has all its imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    worlds: BTreeSet<World>,
    exports: Vec<String>,
    imports: Vec<String>,
}

impl Component {
    /// The worlds that it is made for, best first; at least one.
    pub fn worlds(&self) -> impl Iterator<Item = World> + '_ {
        self.worlds.iter().copied()
    }

    /// The names that it exports (for a core module: only `_start`).
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The interfaces that it imports (for a core module: functions), each once.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Whether it needs WASI 0.3, and so component-model async.
    pub fn needs_wasi_03(&self) -> bool {
        let is_03 = |name: &String| name.starts_with("wasi:") && name.contains("@0.3.");
        self.exports.iter().chain(&self.imports).any(is_03)
    }

    /// Whether it can run as a command.
    pub fn is_command(&self) -> bool {
        self.worlds().any(|world| !world.is_handler())
    }

    /// Whether it can be a server: a core module must be able to accept connections, and a component can always import
    /// sockets.
    fn can_listen(&self) -> bool {
        let is_module = self.worlds.contains(&World::Wasip1);
        !is_module || self.imports.iter().any(|name| name == ACCEPT)
    }

    /// How it runs as a process type: the best world that fits, and the kind of process.
    pub fn fit(&self, process: &ProcessType) -> Result<(World, ProcessKind), UnfitError> {
        let can_listen = self.can_listen();
        self.worlds()
            .find_map(|world| Some((world, world.kind(process, can_listen)?)))
            .ok_or_else(|| match process.is_web() {
                true => UnfitError::CannotListen,
                false => UnfitError::OnlyHandles {
                    process: process.clone(),
                },
            })
    }
}

/// Reads the imports and exports of a `.wasm` file. Time is linear in the size of the file, and memory is bounded, whatever
/// the bytes are.
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
            Encoding::Component => hosted::check_interface(import),
            Encoding::Module => hosted::check_preview1(import),
        };
        outcome.map_err(|why| InspectError::NotHosted {
            import: shown(import.as_bytes()),
            why,
        })?;
    }
    let worlds = match names.encoding {
        Encoding::Module if names.exports.is_empty() => return Err(InspectError::NoStart),
        Encoding::Module => BTreeSet::from([World::Wasip1]),
        Encoding::Component => find_worlds(&names.exports)?,
    };
    let imports = names.imports.into_iter().collect();
    Ok(Component {
        worlds,
        exports: names.exports,
        imports,
    })
}

/// Finds the known worlds among the exports.
fn find_worlds(exports: &[String]) -> Result<BTreeSet<World>, InspectError> {
    let known: BTreeSet<World> = exports
        .iter()
        .filter_map(|name| hosted::world_of_export(name))
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

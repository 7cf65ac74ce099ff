//! Owns why a `.wasm` file cannot run, or not as what it is named for. Must not know how one is read.

use grid::name::ProcessType;

use super::read::NAMES_MAX;
use crate::format::COMPONENT_BYTES_MAX;

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
    /// A component for WASI as it was before a release.
    #[error("it exports `{export}`: {}", super::hosted::CANDIDATE)]
    Candidate {
        /// The export's full name.
        export: String,
    },
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

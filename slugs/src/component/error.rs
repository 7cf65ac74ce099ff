//! Owns the reasons why a `.wasm` file cannot run, or not as the process type that names it. Must not know how files are read.

use grid::name::ProcessType;

use super::hosted::CANDIDATE;
use crate::format::COMPONENT_BYTES_MAX;

/// Most imports, and most exports, of a component. A dyno has fewer than 60 interfaces.
pub(super) const NAMES_MAX: usize = 1_000;

/// Why a component cannot run as a process type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitError {
    /// A wasip1 command that accepts no connections is named as `web`.
    #[error(
        "it is a core wasip1 module that accepts no connections (it does not import `sock_accept`), so it cannot be `web`: \
         name it as another process type in the Procfile (`worker: FILE.wasm`), or build it for wasip2"
    )]
    CannotListen,
    /// A handler is named as another process type.
    #[error(
        "it only answers HTTP requests, and only `web` gets requests, so it cannot be `{process}`: \
         name it as `web`, or give it a `main` (export wasi:cli/run)"
    )]
    OnlyHandles {
        /// The process type.
        process: ProcessType,
    },
}

/// Why a file is not a component (or wasip1 module) that can run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The file is not WebAssembly.
    #[error(
        "not a WebAssembly file (it does not begin with `\\0asm`): name the `.wasm` file that the build makes"
    )]
    NotWasm,
    /// The file is not well-formed.
    #[error("broken WebAssembly at byte {offset}: {reason}; build it again")]
    Broken {
        /// The offset in the file, in bytes, at which reading failed.
        offset: u64,
        /// The parser's message.
        reason: String,
    },
    /// The file is too large.
    #[error(
        "it has {bytes} bytes, and a component may have at most {COMPONENT_BYTES_MAX}: strip it, or move data into files beside it"
    )]
    TooLarge {
        /// The size of the file.
        bytes: u64,
    },
    /// The file has too many imports or exports.
    #[error("more than {NAMES_MAX} imports or exports; link fewer interfaces into it")]
    TooManyNames,
    /// The file imports an interface that dynos do not have.
    #[error("it imports `{import}`, which is not hosted: {why}")]
    NotHosted {
        /// The import's full name.
        import: String,
        /// The alternative in a dyno, and the remedy.
        why: String,
    },
    /// The file is a core module, but not a command.
    #[error(
        "a core module without `_start`: build it as a command (with a `main`), or as a component"
    )]
    NoStart,
    /// The file is a component for a pre-release of WASI.
    #[error("it exports `{export}`: {}", CANDIDATE)]
    Candidate {
        /// The export's full name.
        export: String,
    },
    /// The file is a component without a known export.
    #[error(
        "it exports {found}, but none of the interfaces that can run: `wasi:http/handler@0.3.0`, \
         `wasi:http/incoming-handler@0.2.x` or `wasi:cli/run@0.2.x`/`@0.3.0`; build it for one of these worlds"
    )]
    NoWorld {
        /// Some of its exports.
        found: String,
    },
}

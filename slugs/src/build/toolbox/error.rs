//! Owns the reasons why the builder of a language fails. Must not know how builders are chosen.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::app_files::AppFilesError;
use crate::path::PathError;

/// Why a builder failed. The output of the tool itself went to the progress callback.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    /// A program that the builder needs is not on this machine.
    #[error("`{tool}` is not installed: {remedy}")]
    NoTool {
        /// The program.
        tool: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
    /// A program could not be started, or its end could not be awaited.
    #[error("`{tool}` could not be run")]
    Run {
        /// The program.
        tool: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("`{tool}` failed with {status}; its messages above say why")]
    Failed {
        /// The command as typed.
        tool: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A program ended with an error whose reason is known.
    #[error("`{tool}` failed: {advice}")]
    Advised {
        /// The command as typed.
        tool: &'static str,
        /// The reason, and what works instead.
        advice: String,
    },
    /// Rust cannot compile for WebAssembly on this machine.
    #[error(
        "this Rust cannot compile for wasm32-wasip2, and there is no rustup that could add the target: install Rust from \
         https://rustup.rs, then run `rustup target add wasm32-wasip2`; or install your system's package of the target"
    )]
    NoTarget,
    /// The output of a program could not be parsed.
    #[error("the output of `{tool}` was not understood: {problem}; is the program up to date?")]
    Output {
        /// The command as typed.
        tool: &'static str,
        /// The problem in the output.
        problem: String,
    },
    /// The tools of a language could not be installed.
    #[error(
        "{title} could not be installed. It comes from the language's package registry: connect to the network and build \
         again; later builds need no network"
    )]
    Toolchain {
        /// The tools, with versions.
        title: &'static str,
        /// Why.
        #[source]
        source: Box<BuilderError>,
    },
    /// The app's files cannot be listed.
    #[error(transparent)]
    Files(#[from] Box<AppFilesError>),
    /// The builder cannot build this app. The text says what is wrong, where, and what to do.
    #[error("{0}")]
    Refused(String),
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file or folder cannot be written, or the build was stopped while it waited to write.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Cargo made no `.wasm` file.
    #[error(
        "the build made no `.wasm` program: add `src/main.rs` to the package, or `crate-type = [\"cdylib\"]` under [lib] in Cargo.toml"
    )]
    NoArtifact,
    /// The build made a file whose name a slug cannot hold.
    #[error("`{name}` cannot be a file in a slug")]
    Name {
        /// The name.
        name: String,
        /// The rule that the name breaks.
        #[source]
        source: PathError,
    },
}

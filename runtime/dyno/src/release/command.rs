//! The program of a one-off, and its variables.

use std::path::PathBuf;

use grid::name::ProcessType;

/// Whether a program gets the variables of the platform, such as `HOME`, `APP_NAME` and `DYNO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformVars {
    /// Yes: the program is part of an app.
    Added,
    /// No: the file runs as any other WASI tool would run it.
    LeftOut,
}

/// The program of a one-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOffCommand {
    /// A process type of the release.
    Type {
        /// The process type.
        process: ProcessType,
        /// Arguments after those of the slug, passed unchanged.
        args: Vec<String>,
    },
    /// A component or core module, by its path in the slug.
    Component {
        /// The path, relative and without `..`.
        path: PathBuf,
        /// The arguments, passed unchanged.
        args: Vec<String>,
    },
}

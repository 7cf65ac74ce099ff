//! What a one-off may be asked to run, and with which variables.

use std::path::PathBuf;

use grid::name::ProcessType;

/// Whether a program has the variables that the platform adds, such as `HOME`, `APP_NAME` and `DYNO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformVars {
    /// It has: it is part of an app.
    Added,
    /// It has not, as a file that any other tool would run just so.
    LeftOut,
}

/// What a one-off runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOffCommand {
    /// A process type of the release.
    Type {
        /// Which.
        process: ProcessType,
        /// Arguments after those of the slug, as they are.
        args: Vec<String>,
    },
    /// A component, or a core module, by its path in the slug.
    Component {
        /// The path, relative and without `..`.
        path: PathBuf,
        /// Its arguments, as they are.
        args: Vec<String>,
    },
}

//! The compile child: this program, called by itself to compile a component in a process with limits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The first argument of the child process. Users never type it, so help and completions leave it out.
const COMPILE: &str = "__compile";

/// This very program, also when another file was put in its place since: after an upgrade, a running server must not
/// compile with another engine than it runs.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The arguments of a compile child: flavor, input, output. None if the program was called for something else.
pub(crate) fn arguments(args: &[OsString]) -> Option<(&str, &Path, &Path)> {
    match args {
        [_, command, flavor, input, output] if command == COMPILE => {
            Some((flavor.to_str()?, Path::new(input), Path::new(output)))
        }
        _ => None,
    }
}

/// The command that starts a compile child.
pub(crate) fn command() -> Result<Vec<OsString>> {
    let program = match Path::new(OWN_PROGRAM).exists() {
        true => PathBuf::from(OWN_PROGRAM),
        false => std::env::current_exe().context("cannot tell where this program is")?,
    };
    Ok(vec![program.into_os_string(), COMPILE.into()])
}

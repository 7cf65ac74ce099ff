//! Owns the Go toolchain that the user's machine has: its version, its folders, and how its commands are run.
//! Must not know packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::run;
use crate::build::toolbox::tools::Tools;
use crate::path::shown;

/// The oldest minor version of Go 1 whose package `net` can be completed.
const MINOR_MIN: u32 = 22;
/// Makes `go list` print the path of a package that has C code.
const CGO_TEMPLATE: &str = "{{if and (not .Standard) .CgoFiles}}{{.ImportPath}}{{end}}";
const GET_GO: &str = "get Go 1.22 or newer from https://go.dev/dl or as a package of your system";

/// The Go toolchain of a folder: `go` itself may choose another version than the one that is installed.
pub(super) struct GoToolchain {
    /// As in `go1.25.4`.
    pub(super) version: String,
    pub(super) root: PathBuf,
    program: PathBuf,
    /// Whether `program` must not choose another version.
    is_fixed: bool,
}

/// Whether a command of `go` sees files that use C (cgo). Builds leave them out; only the search for packages with C code lists
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CgoFiles {
    LeftOut,
    Listed,
}

/// The members of `go env -json` that a build needs.
#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct GoEnv {
    goversion: String,
    goroot: PathBuf,
    gomodcache: PathBuf,
}

impl GoToolchain {
    /// Finds the toolchain that `go` chooses for the module in a folder. `go` may have to download it.
    pub(super) fn find(
        folder: &Path,
        tools: &Tools,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<Self, BuilderError> {
        let mut go = Command::new("go");
        go.args(["env", "-json", "GOVERSION", "GOROOT", "GOMODCACHE"])
            .current_dir(folder);
        let text =
            run::run_for_output(go, "go env", tools, progress).map_err(
                |error| match run::is_absent(&error) {
                    true => BuilderError::NoTool {
                        tool: "go",
                        remedy: GET_GO,
                    },
                    false => error,
                },
            )?;
        let env: GoEnv = serde_json::from_str(&text).map_err(|error| BuilderError::Output {
            tool: "go env",
            problem: error.to_string(),
        })?;
        check_version(&env.goversion)?;
        let toolchain = Self {
            version: env.goversion,
            root: env.goroot,
            program: PathBuf::from("go"),
            is_fixed: false,
        };
        match toolchain.root.starts_with(&env.gomodcache) {
            true => toolchain.through_link(tools),
            false => Ok(toolchain),
        }
    }

    /// The same toolchain under another path. Go replaces no files of a toolchain that it downloaded itself, which it knows by
    /// its path in the cache of modules.
    fn through_link(self, tools: &Tools) -> Result<Self, BuilderError> {
        let links = tools.cache().join("builds/golang-roots");
        let failed = crate::build::toolbox::build_folder::write_error(&links);
        std::fs::create_dir_all(&links).map_err(&failed)?;
        let name = self.root.file_name().unwrap_or_default();
        let link = links.join(name);
        if std::fs::read_link(&link).ok().as_deref() != Some(&*self.root) {
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&self.root, &link).map_err(failed)?;
        }
        Ok(Self {
            version: self.version,
            program: link.join("bin/go"),
            root: link,
            is_fixed: true,
        })
    }

    /// A command of `go` for the programs of dynos, in a folder. The user's own settings apply: `GOFLAGS`, `GOPROXY` and the
    /// like, and the caches.
    pub(super) fn command(&self, folder: &Path, cgo: CgoFiles) -> Command {
        let mut go = Command::new(&self.program);
        go.current_dir(folder)
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            .env(
                "CGO_ENABLED",
                if cgo == CgoFiles::Listed { "1" } else { "0" },
            );
        if self.is_fixed {
            go.env("GOROOT", &self.root).env("GOTOOLCHAIN", "local");
        }
        go
    }
}

impl GoToolchain {
    /// The packages with C code that a package of a folder uses, besides those of the standard library. Empty if `go` cannot
    /// tell.
    pub(super) fn list_cgo_packages(
        &self,
        folder: &Path,
        package: &str,
        tools: &Tools,
    ) -> Vec<String> {
        let mut go = self.command(folder, CgoFiles::Listed);
        go.args(["list", "-deps", "-e", "-f", CGO_TEMPLATE, package]);
        let listed = run::run_for_output(go, "go list", tools, &mut |_| {});
        let listed = listed.unwrap_or_default();
        listed.lines().map(str::to_owned).collect()
    }
}

/// Refuses versions whose package `net` is another one.
fn check_version(version: &str) -> Result<(), BuilderError> {
    match parse_minor(version) {
        Some(minor) if minor < MINOR_MIN => Err(BuilderError::Refused(format!(
            "{} is too old: {GET_GO}",
            shown(version.as_bytes())
        ))),
        // A development version is tried: `overlay` finds out whether its package fits.
        Some(_) | None => Ok(()),
    }
}

/// The minor version: 25 of `go1.25.4`.
fn parse_minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_refused() {
        for (version, minor) in [
            ("go1.25.4", Some(25)),
            ("go1.22", Some(22)),
            ("go1.28rc1", Some(28)),
            ("devel go1.29-abc", None),
        ] {
            assert_eq!(parse_minor(version), minor, "{version}");
            assert!(check_version(version).is_ok(), "{version}");
        }
        let text = check_version("go1.21.13").expect_err("too old").to_string();
        assert!(text.contains("go1.21.13 is too old: get Go 1.22"), "{text}");
    }
}

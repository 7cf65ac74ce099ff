//! The product under measurement: the built `dyno` binary, and the app that it serves.
//!
//! Owns a folder for slugs, caches and logs, which is removed at the end. No file of the user is used.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use tempfile::TempDir;

use crate::args::repository;
use crate::machine::confine::{CpuBudget, confined};
use crate::product::child_server::{ChildServer, ChildServerStart, LogTarget, free_port};

/// How `dyno --version` ends if the binary was built by the profile for packages.
const DIST_BUILD: &str = "(dist)";
/// The name of the binary.
const BINARY: &str = "dyno";
/// The folder of the test guests, from the repository's folder.
const GUESTS: &str = "runtime/dyno/tests/guests";
/// The folder of the guest with one path for each kind of work.
const BENCH_GUEST: &str = "benches/guests/bench";

/// The binary and what it runs.
#[derive(Debug)]
pub(crate) struct MeasuredBinary {
    binary: PathBuf,
    work: TempDir,
    /// A slug or a component.
    app: PathBuf,
    app_name: String,
    started: AtomicU32,
}

/// The version of the binary that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BinaryVersion {
    /// The version as the binary itself prints it.
    pub(crate) says: String,
    /// When it was built.
    pub(crate) built: String,
    pub(crate) bytes: u64,
}

impl MeasuredBinary {
    /// Finds the binary. Has it build `app` if that is a folder; a slug or a component is taken as it is.
    pub(crate) fn prepare(binary: Option<&Path>, app: &Path) -> Result<MeasuredBinary> {
        let binary = find_binary(binary)?;
        let work = tempfile::tempdir().context("cannot make a temporary folder")?;
        let found = app.canonicalize();
        let found = found.with_context(|| format!("there is no app {}", app.display()))?;
        let name = found.file_stem().unwrap_or_default().to_string_lossy();
        let mut product = MeasuredBinary {
            binary,
            work,
            app_name: name.into_owned(),
            app: found,
            started: AtomicU32::new(0),
        };
        if product.app.is_dir() {
            product.app = product.build(&product.app)?;
        }
        Ok(product)
    }

    fn build(&self, folder: &Path) -> Result<PathBuf> {
        let slug = self.file("hello.slug");
        let mut command = self.command();
        command.arg("build").arg(folder).arg("-o").arg(&slug);
        let built = command.output().context("cannot start dyno build")?;
        let said = String::from_utf8_lossy(&built.stderr);
        ensure!(
            built.status.success(),
            "dyno build failed:\n{}",
            said.trim()
        );
        Ok(slug)
    }

    /// A file in the folder of this run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// `dyno local` with the app, when it serves.
    pub(crate) fn app(&self, dynos: u32, log: LogTarget) -> Result<ChildServer> {
        self.local(&self.app, dynos, log, "/")
    }

    /// The same, held to a budget. `what` is a slug or a component; if none is named, it is the app.
    pub(crate) fn held(
        &self,
        what: Option<&Path>,
        dynos: u32,
        log: LogTarget,
        budget: CpuBudget,
    ) -> Result<ChildServer> {
        self.start(what.unwrap_or(&self.app), dynos, log, "/", Some(budget))
    }

    /// `dyno local` with anything, when it answers 200 at `probe`.
    pub(crate) fn local(
        &self,
        what: &Path,
        dynos: u32,
        log: LogTarget,
        probe: &str,
    ) -> Result<ChildServer> {
        self.start(what, dynos, log, probe, None)
    }

    /// The same with all that can be chosen.
    pub(crate) fn start(
        &self,
        what: &Path,
        dynos: u32,
        log: LogTarget,
        probe: &str,
        budget: Option<CpuBudget>,
    ) -> Result<ChildServer> {
        let port = free_port()?;
        let mut command = self.command();
        command
            .arg("local")
            .arg(what)
            .arg(format!("web={dynos}"))
            .args(["-p", &port.to_string()]);
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let errors = self.file(&format!("errors.{number}"));
        let start = ChildServerStart {
            port,
            log,
            errors: &errors,
            probe,
        };
        if let Some(budget) = budget {
            command = confined(&command, budget)?;
        }
        ChildServer::start(command, &start)
    }

    /// The name of the app.
    pub(crate) fn app_name(&self) -> &str {
        &self.app_name
    }

    /// Refuses a binary that was not built by the profile `dist`: figures of other builds say nothing about the product.
    pub(crate) fn require_dist_build(&self) -> Result<()> {
        let says = self.version()?.says;
        ensure!(
            says.ends_with(DIST_BUILD),
            "{} says `{says}`: only a build by the profile `dist` is measured. Build it by `cargo build --profile dist`, \
             or measure this one all the same with --any-build",
            self.binary.display()
        );
        Ok(())
    }

    pub(crate) fn version(&self) -> Result<BinaryVersion> {
        let output = self.command().arg("--version").output();
        let output = output.context("cannot start dyno --version")?;
        let file = std::fs::metadata(&self.binary).context("the binary has gone")?;
        let built = file.modified().context("files have no times here")?;
        Ok(BinaryVersion {
            says: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            built: humantime::format_rfc3339_seconds(built).to_string(),
            bytes: file.len(),
        })
    }

    /// One of the test guests, built now.
    pub(crate) fn guest(&self, name: &str) -> Result<PathBuf> {
        build_component(GUESTS, &["--bin", name], name)
    }

    /// The guest with one path for each kind of work, built now.
    pub(crate) fn bench_guest(&self) -> Result<PathBuf> {
        build_component(BENCH_GUEST, &[], "bench")
    }

    /// Keeps the toolchains of languages in `folder`, so that the next run does not install them again.
    pub(crate) fn keep_toolchains(&self, folder: &Path) -> Result<()> {
        let link = self.file("cache").join(BINARY).join("toolchains");
        if link.exists() {
            return Ok(());
        }
        let parent = link.parent().unwrap_or(&link);
        let made = std::fs::create_dir_all(folder).and_then(|()| std::fs::create_dir_all(parent));
        made.and_then(|()| std::os::unix::fs::symlink(folder, &link))
            .with_context(|| format!("cannot keep toolchains in {}", folder.display()))
    }

    /// The program that is measured.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// `dyno`, which keeps its caches in the folder of this run.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env("XDG_CACHE_HOME", self.file("cache"))
            .env("NO_COLOR", "1")
            .env_remove("DYNO_APP")
            .current_dir(self.work.path());
        command
    }
}

/// Builds a component from a folder of the repository. Returns the path of the output named `called`.
fn build_component(folder: &str, arguments: &[&str], called: &str) -> Result<PathBuf> {
    let target = repository().join("target/guests");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"])
        .args(arguments)
        .arg("--target-dir")
        .arg(&target)
        .current_dir(repository().join(folder))
        .output()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&built.stderr);
    ensure!(
        built.status.success(),
        "the guest {called} does not build:\n{}",
        said.trim()
    );
    let built = target.join("wasm32-wasip2/release").join(called);
    Ok(built.with_extension("wasm"))
}

/// The requested binary, or the binary beside this program.
fn find_binary(asked: Option<&Path>) -> Result<PathBuf> {
    let binary = match asked {
        Some(path) => path.to_owned(),
        None => {
            let own = std::env::current_exe().context("cannot tell where this program is")?;
            own.with_file_name(BINARY)
        }
    };
    let Ok(found) = binary.canonicalize() else {
        bail!(
            "there is no {}: build it with `cargo build --profile dist`, or name another with --dyno",
            binary.display()
        );
    };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_missing_binary_says_how_to_build_it() {
        let error = find_binary(Some(Path::new("nowhere/dyno"))).expect_err("it is not there");
        assert!(
            error.to_string().contains("cargo build --profile dist"),
            "{error}"
        );
    }
}

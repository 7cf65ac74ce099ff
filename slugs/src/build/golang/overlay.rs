//! Owns the files that replace some of Go's package `net` while a program is built: in the user's own copy two functions get
//! another name, and a file of `dyno` defines them anew. Must not know how a build is run.
//!
//! No text of Go is part of this repository: the replaced files are made from the toolchain that builds the app.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::toolchain::GoToolchain;
use crate::build::toolbox::build_folder::{self, BuildFolder};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::tools::Tools;

/// The file of `dyno`, by its name in package `net`.
const OWN_FILE: (&str, &str) = ("dyno_wasip1.go", include_str!("overlay/dyno_wasip1.go"));
/// Functions that get another name: file, beginning of the declaration, and its replacement.
const RENAMED: [(&str, &str, &str); 2] = [
    ("net_fake.go", "\nfunc socket(", "\nfunc inProcessSocket("),
    (
        "fd_fake.go",
        "\nfunc (fd *netFD) accept(",
        "\nfunc (fd *netFD) acceptWithoutAddress(",
    ),
];
/// The file for the option `-overlay`.
const DESCRIPTION: &str = "overlay.json";

/// Returns the file for the option `-overlay`, made if it is missing.
pub(super) fn ensure_overlay(
    toolchain: &GoToolchain,
    tools: &Tools,
    progress: &mut dyn FnMut(BuildProgress),
) -> Result<PathBuf, BuilderError> {
    let package = toolchain.root.join("src/net");
    let mut files = vec![(OWN_FILE.0, OWN_FILE.1.to_owned())];
    for (name, declaration, renamed) in RENAMED {
        files.push((name, rename_function(&package, name, declaration, renamed)?));
    }
    let mut inputs = vec![package.as_os_str().as_encoded_bytes()];
    inputs.extend(files.iter().map(|(_, text)| text.as_bytes()));
    let folder = format!("overlay-{}", build_folder::content_key(&inputs));
    let overlays = BuildFolder::open_shared("golang", tools, progress)?;
    let place = overlays.path_of(&folder);
    if !place.is_dir() {
        let work = overlays.make_work_folder()?;
        let write = |name: &str, text: &str| {
            let path = work.path().join(name);
            std::fs::write(&path, text).map_err(build_folder::write_error(&path))
        };
        for (name, text) in &files {
            write(name, text)?;
        }
        let names = files.iter().map(|(name, _)| *name);
        write(DESCRIPTION, &describe_overlay(&package, &place, names))?;
        overlays.keep_as(&work.keep(), &folder)?;
        overlays.prune_old("overlay-");
    }
    overlays.mark_used(&folder);
    Ok(place.join(DESCRIPTION))
}

/// Reads a file of package `net`, with another name for one of its functions.
fn rename_function(
    package: &Path,
    name: &str,
    declaration: &str,
    renamed: &str,
) -> Result<String, BuilderError> {
    let path = package.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(BuilderError::Read { path, source }),
    };
    if text.matches(declaration).count() != 1 {
        return Err(BuilderError::Refused(format!(
            "this version of Go is not supported yet: dyno completes Go's package net for dynos, and {} has no single `{}…)`. \
             Build with another version of Go (`GOTOOLCHAIN=go1.25.4`), or a newer dyno",
            path.display(),
            declaration.trim()
        )));
    }
    Ok(text.replacen(declaration, renamed, 1))
}

/// The JSON text that maps files of the package to the files that replace them.
fn describe_overlay<'a>(
    package: &Path,
    place: &Path,
    names: impl Iterator<Item = &'a str>,
) -> String {
    let replace: BTreeMap<PathBuf, PathBuf> = names
        .map(|name| (package.join(name), place.join(name)))
        .collect();
    serde_json::json!({ "Replace": replace }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_the_function_is_refused() {
        let package = tempfile::tempdir().expect("a folder");
        let rename = || rename_function(package.path(), "x.go", "\nfunc socket(", "\nfunc other(");
        let text = rename().expect_err("no such file").to_string();
        assert!(text.contains("no single `func socket(…)`"), "{text}");
        let write = |text: &str| std::fs::write(package.path().join("x.go"), text).expect("a file");
        write("package net\n\nfunc socket() {}\n\nfunc socket(int) {}\n");
        assert!(rename().is_err(), "two of them");
        write("package net\n\n// As func socket(…).\nfunc socket() { socket() }\n");
        let text = rename().expect("one of them");
        assert_eq!(
            text,
            "package net\n\n// As func socket(…).\nfunc other() { socket() }\n"
        );
    }
}

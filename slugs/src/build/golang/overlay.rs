//! Owns the files that replace some of Go's library while a program is built: in the user's own copy of package `net` some
//! functions get another name, and files of `dyno` define them anew. Must not know how a build is run.
//!
//! No text of Go is part of this repository: the replaced files are made from the toolchain that builds the app.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::toolchain::GoToolchain;
use crate::build::toolbox::build_folder::{self, BuildFolder};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::progress::BuildProgress;
use crate::build::toolbox::tools::Tools;

/// The files of `dyno`: package and name, and the text.
const OWN_FILES: [(&str, &str); 2] = [
    ("net/dyno_wasip1.go", include_str!("overlay/dyno_wasip1.go")),
    (
        "crypto/x509/dyno_roots_wasip1.go",
        include_str!("overlay/dyno_roots_wasip1.go"),
    ),
];
/// Files with functions that get another name: the beginnings of the declarations, and their replacements.
const RENAMED: [(&str, &[(&str, &str)]); 3] = [
    (
        "net/net_fake.go",
        &[("\nfunc socket(", "\nfunc inProcessSocket(")],
    ),
    (
        "net/fd_fake.go",
        &[(
            "\nfunc (fd *netFD) accept(",
            "\nfunc (fd *netFD) ownAccept(",
        )],
    ),
    (
        "net/lookup_unix.go",
        &[
            (
                "\nfunc (r *Resolver) lookupHost(",
                "\nfunc (r *Resolver) ownLookupHost(",
            ),
            (
                "\nfunc (r *Resolver) lookupIP(",
                "\nfunc (r *Resolver) ownLookupIP(",
            ),
        ],
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
    let library = toolchain.root.join("src");
    let mut files: Vec<(&str, String)> = Vec::new();
    for (name, text) in OWN_FILES {
        files.push((name, text.to_owned()));
    }
    for (name, functions) in RENAMED {
        files.push((name, rename_functions(&library.join(name), functions)?));
    }
    let mut inputs = vec![library.as_os_str().as_encoded_bytes()];
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
            write(file_name(name), text)?;
        }
        let names = files.iter().map(|(name, _)| *name);
        write(DESCRIPTION, &describe_overlay(&library, &place, names))?;
        overlays.keep_as(&work.keep(), &folder)?;
        overlays.prune_old("overlay-");
    }
    overlays.mark_used(&folder);
    Ok(place.join(DESCRIPTION))
}

/// The name of a file without its package. All names differ.
fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Reads a file of Go's library, with other names for some of its functions.
fn rename_functions(path: &Path, functions: &[(&str, &str)]) -> Result<String, BuilderError> {
    let mut text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(BuilderError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    for (declaration, renamed) in functions {
        if text.matches(declaration).count() != 1 {
            return Err(BuilderError::Refused(format!(
                "this version of Go is not supported yet: dyno completes Go's package net for dynos, and {} has no single \
                 `{}…)`. Build with another version of Go (`GOTOOLCHAIN=go1.26.6`), or with a newer dyno",
                path.display(),
                declaration.trim()
            )));
        }
        text = text.replacen(declaration, renamed, 1);
    }
    Ok(text)
}

/// The JSON text that maps files of the library to the files that replace them.
fn describe_overlay<'a>(
    library: &Path,
    place: &Path,
    names: impl Iterator<Item = &'a str>,
) -> String {
    let replace: BTreeMap<PathBuf, PathBuf> = names
        .map(|name| (library.join(name), place.join(file_name(name))))
        .collect();
    serde_json::json!({ "Replace": replace }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_the_function_is_refused() {
        let library = tempfile::tempdir().expect("a folder");
        let file = library.path().join("x.go");
        let rename = || rename_functions(&file, &[("\nfunc socket(", "\nfunc other(")]);
        let text = rename().expect_err("no such file").to_string();
        assert!(text.contains("no single `func socket(…)`"), "{text}");
        let write = |text: &str| std::fs::write(&file, text).expect("a file");
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

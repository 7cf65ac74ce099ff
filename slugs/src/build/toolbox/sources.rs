//! Owns the look at an app's own files: which there are, and one digest over them.
//! Must not know what a language makes of them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::build::BuildError;
use crate::digest::Digesting;
use crate::format::{ENTRIES_MAX, EXTENSION};
use crate::manifest::{decode_lossily, is_utf16};
use crate::path::DEPTH_MAX;

/// Folders without an app's own sources, wherever they are.
const OTHERS: [&str; 3] = [".git", "node_modules", "__pycache__"];
/// What cargo builds: in the app's folder, or where cargo left its mark. Elsewhere the name means nothing.
const CARGO_TARGET: &str = "target";
const CACHE_MARK: &str = "CACHEDIR.TAG";
/// By this file a virtual environment of Python is known.
const VIRTUAL_ENVIRONMENT: &str = "pyvenv.cfg";

/// A file: its name from the app's folder, and its place.
pub(crate) type Source = (String, PathBuf);

/// The files that `wanted` names by their names, sorted. More than a slug holds is an error.
pub(crate) fn files(
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Source>, BuildError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((current, depth)) = folders.pop() {
        let failed = |source| BuildError::Read {
            path: current.clone(),
            source,
        };
        for entry in fs::read_dir(&current).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() || (kind.is_symlink() && leads_down(folder, &current, &path)) {
                if !is_other(&path, &name, depth) && depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if path.is_file() && !is_no_source(&name) && wanted(&name) {
                let inner = path.strip_prefix(folder).unwrap_or(&path);
                found.push((inner.to_string_lossy().into_owned(), path));
            }
            if found.len() > ENTRIES_MAX {
                return Err(BuildError::Refused(format!(
                    "{} holds more than {ENTRIES_MAX} files: name the folder of the app",
                    folder.display()
                )));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a folder holds none of the app's own sources.
fn is_other(path: &Path, name: &str, depth: usize) -> bool {
    OTHERS.contains(&name)
        || path.join(VIRTUAL_ENVIRONMENT).is_file()
        || (name == CARGO_TARGET && (depth == 0 || path.join(CACHE_MARK).is_file()))
}

/// Whether a symbolic link leads to a folder of the app's that it is not itself in: its files are there by its name too.
fn leads_down(root: &Path, current: &Path, link: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(root), Some(current), Some(target)) = (real(root), real(current), real(link)) else {
        return false;
    };
    target.is_dir() && target.starts_with(root) && !current.starts_with(target)
}

/// Slugs, and config vars of this machine.
fn is_no_source(name: &str) -> bool {
    name == ".env"
        || Path::new(name)
            .extension()
            .is_some_and(|end| end == EXTENSION)
}

/// One text for names and contents of all these files.
pub(crate) fn digest(sources: &[Source]) -> Result<String, BuildError> {
    let mut all = String::new();
    for (name, path) in sources {
        let failed = |source| BuildError::Read {
            path: path.clone(),
            source,
        };
        let mut reader = Digesting::new(fs::File::open(path).map_err(failed)?);
        std::io::copy(&mut reader, &mut std::io::sink()).map_err(failed)?;
        all.push_str(&format!("{name}\0{}\n", reader.digest()));
    }
    Ok(super::build_folder::key(&[all.as_bytes()]))
}

/// A text file that may be absent, without a byte order mark; what is no UTF-8 in it is replaced.
pub(crate) fn text(path: &Path) -> Result<Option<String>, BuildError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    match read {
        Ok(_) if is_utf16(&bytes) => Err(BuildError::Refused(format!(
            "{} is in UTF-16: save it as text in UTF-8",
            path.display()
        ))),
        Ok(_) => Ok(Some(decode_lossily(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BuildError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let found = files(folder, &|_| true).expect("files");
        found.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_what_cargo_builds_is_left_out_by_the_name_target() {
        let app = tempfile::tempdir().expect("a folder");
        let write = |name: &str| {
            let path = app.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "x").expect("a file");
        };
        write("target/a");
        write("src/target/b.ts");
        write("tool/target/c");
        write("tool/target/CACHEDIR.TAG");
        assert_eq!(names(app.path()), ["src/target/b.ts"]);
    }

    #[test]
    fn folders_behind_links_are_read_once_for_each_name() {
        let app = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        fs::write(elsewhere.path().join("secret"), "x").expect("a file");
        for folder in ["shared", "src"] {
            fs::create_dir(app.path().join(folder)).expect("a folder");
        }
        fs::write(app.path().join("shared/x.js"), "x").expect("a file");
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, app.path().join(name)).expect("a link");
        };
        link(Path::new("../shared"), "src/shared");
        link(Path::new(".."), "src/up");
        link(elsewhere.path(), "out");
        assert_eq!(names(app.path()), ["shared/x.js", "src/shared/x.js"]);
    }
}

//! Owns the list of an app's own files, and a digest over them.
//! Must not know what a language makes of the files.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::build_folder::content_key;
use super::error::BuilderError;
use crate::digest::Digest;
use crate::format::{ENTRIES_MAX, EXTENSION};
use crate::manifest::text::{decode_lossily, is_utf16};
use crate::path::DEPTH_MAX;

/// Folders that never hold an app's own sources, at any depth.
const FOREIGN_FOLDERS: [&str; 3] = [".git", "node_modules", "__pycache__"];
/// Cargo's output: in the app's folder, or where cargo left its mark. Elsewhere the name means nothing.
const CARGO_TARGET: &str = "target";
const CACHE_MARK: &str = "CACHEDIR.TAG";
/// The file that marks a virtual environment of Python.
const VIRTUAL_ENVIRONMENT: &str = "pyvenv.cfg";

/// A file of the app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceFile {
    /// The name of the file, relative to the app's folder.
    pub(crate) name: String,
    /// The path of the file on this disk.
    pub(crate) path: PathBuf,
}

/// Lists the files whose names `wanted` accepts, sorted. Fails if there are more files than a slug holds.
pub(crate) fn list_files(
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<SourceFile>, BuilderError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((current, depth)) = folders.pop() {
        let failed = |source| BuilderError::Read {
            path: current.clone(),
            source,
        };
        for entry in fs::read_dir(&current).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() || (kind.is_symlink() && leads_to_own_folder(folder, &current, &path))
            {
                if !is_foreign_folder(&path, &name, depth) && depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if path.is_file() && !is_never_source(&name) && wanted(&name) {
                let inner = path.strip_prefix(folder).unwrap_or(&path);
                let name = inner.to_string_lossy().into_owned();
                found.push(SourceFile { name, path });
            }
            if found.len() > ENTRIES_MAX {
                return Err(BuilderError::Refused(format!(
                    "{} holds more than {ENTRIES_MAX} files: name the folder of the app",
                    folder.display()
                )));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a folder holds no sources of the app itself.
fn is_foreign_folder(path: &Path, name: &str, depth: usize) -> bool {
    FOREIGN_FOLDERS.contains(&name)
        || path.join(VIRTUAL_ENVIRONMENT).is_file()
        || (name == CARGO_TARGET && (depth == 0 || path.join(CACHE_MARK).is_file()))
}

/// Whether a symbolic link leads to a folder of the app, and not to one that holds the link: the folder's files are then
/// known by the link's name too.
fn leads_to_own_folder(root: &Path, current: &Path, link: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let (Some(root), Some(current), Some(target)) = (real(root), real(current), real(link)) else {
        return false;
    };
    target.is_dir() && target.starts_with(root) && !current.starts_with(target)
}

/// Whether a file is a slug, or holds config vars of this machine.
fn is_never_source(name: &str) -> bool {
    name == ".env"
        || Path::new(name)
            .extension()
            .is_some_and(|end| end == EXTENSION)
}

/// A digest over the names and contents of these files.
pub(crate) fn digest_files(sources: &[SourceFile]) -> Result<String, BuilderError> {
    let mut all = String::new();
    for SourceFile { name, path } in sources {
        let failed = |source| BuilderError::Read {
            path: path.clone(),
            source,
        };
        let (digest, _) = fs::File::open(path)
            .and_then(Digest::of_reader)
            .map_err(failed)?;
        all.push_str(&format!("{name}\0{digest}\n"));
    }
    Ok(content_key(&[all.as_bytes()]))
}

/// Reads a text file, without its byte order mark; bytes that are not UTF-8 are replaced. `None` if there is no such file.
pub(crate) fn read_text_lossy(path: &Path) -> Result<Option<String>, BuilderError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    match read {
        Ok(_) if is_utf16(&bytes) => Err(BuilderError::Refused(format!(
            "{} is in UTF-16: save it as text in UTF-8",
            path.display()
        ))),
        Ok(_) => Ok(Some(decode_lossily(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BuilderError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let found = list_files(folder, &|_| true).expect("files");
        found.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn folder_target_is_left_out_only_where_cargo_made_it() {
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
    fn files_behind_links_are_listed_under_each_name() {
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

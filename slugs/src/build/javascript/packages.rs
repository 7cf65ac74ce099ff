//! Owns an app's npm packages: whether `node_modules` is what the manifest asks for, and npm if it is not.
//! Must not know what they are for.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::super::place::{self, Place};
use super::super::{BuildError, Progress, Tools, sources};
use super::entry::Package;

/// The lock files of npm.
const LOCKS: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];
/// Those of others, with the command that installs.
const OTHERS: [(&str, &str); 4] = [
    ("pnpm-lock.yaml", "pnpm install"),
    ("yarn.lock", "yarn install"),
    ("bun.lock", "bun install"),
    ("bun.lockb", "bun install"),
];
/// npm's own note of what it installed.
const INSTALLED: &str = "node_modules/.package-lock.json";
/// Ours of what that was asked for.
const STAMP: &str = "npm.txt";

/// Installs the packages into the app's `node_modules`, as `npm install` does, unless they are there.
pub(super) fn ensure(
    folder: &Path,
    package: &Package,
    place: &Place,
    tools: &Tools,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), BuildError> {
    let none = package.dependencies.is_empty()
        && package.dev_dependencies.is_empty()
        && package.optional_dependencies.is_empty();
    if none || is_current(folder, package, place)? {
        return Ok(());
    }
    let lock = LOCKS.iter().find(|lock| folder.join(lock).is_file());
    let other = OTHERS.iter().find(|(lock, _)| folder.join(lock).is_file());
    if let (None, Some((lock, command))) = (lock, other) {
        if folder.join("node_modules").is_dir() {
            return Ok(());
        }
        return Err(BuildError::Refused(format!(
            "there is a {lock} and no node_modules: run `{command}` first; dyno builds with what it installs"
        )));
    }
    let arguments: &[&str] = match lock {
        Some(_) => &["ci", "--loglevel=error"],
        None => &["install", "--loglevel=error"],
    };
    super::npm(folder, arguments, tools, progress)?;
    place.save(STAMP, &asked(folder, package)?)?;
    Ok(())
}

/// What is installed, as one text.
pub(super) fn state(folder: &Path) -> Result<String, BuildError> {
    let installed = sources::text(&folder.join(INSTALLED))?.unwrap_or_default();
    let modified = modified(&folder.join("node_modules"));
    let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let nanoseconds = since.unwrap_or_default().as_nanos();
    Ok(place::key(&[
        installed.as_bytes(),
        &nanoseconds.to_le_bytes(),
    ]))
}

fn is_current(folder: &Path, package: &Package, place: &Place) -> Result<bool, BuildError> {
    if !folder.join("node_modules").is_dir() {
        return Ok(false);
    }
    let asked = asked(folder, package)?;
    if let Some(stamp) = sources::text(&place.at(STAMP))? {
        return Ok(stamp == asked);
    }
    // Installed by hand: as new as what asks for it?
    let Some(installed) = modified(&folder.join(INSTALLED)) else {
        return Ok(false);
    };
    let newer = |name: &&str| modified(&folder.join(name)).is_some_and(|time| time > installed);
    let is_current = !["package.json", LOCKS[0], LOCKS[1]].iter().any(newer);
    if is_current {
        place.save(STAMP, &asked)?;
    }
    Ok(is_current)
}

/// The packages that the manifest and its lock file ask for, as one text.
fn asked(folder: &Path, package: &Package) -> Result<String, BuildError> {
    let mut inputs = vec![format!(
        "{:?}{:?}{:?}",
        package.dependencies, package.dev_dependencies, package.optional_dependencies
    )];
    for lock in LOCKS {
        inputs.push(sources::text(&folder.join(lock))?.unwrap_or_default());
    }
    let inputs: Vec<&[u8]> = inputs.iter().map(String::as_bytes).collect();
    Ok(place::key(&inputs))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

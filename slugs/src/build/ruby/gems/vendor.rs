//! Owns the gems in an app's `vendor/bundle`, as `bundle install --path vendor/bundle` writes it. Must not know Bundler itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::FoundGem;
use crate::build::ruby::lockfile::{LockedGem, parse_lockfile};
use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources::read_text_lossy;

/// The folder that Bundler fills, in the app's.
const VENDOR: &str = "vendor/bundle/ruby";

/// Finds the gems of the lockfile in `vendor/bundle`; `None` without the folder or the lockfile. Gems of the lockfile that are
/// not there belong to groups that were not installed.
pub(super) fn find_gems(folder: &Path) -> Result<Option<Vec<FoundGem>>, BuilderError> {
    let lock = read_text_lossy(&folder.join("Gemfile.lock"))?;
    let lock = match lock {
        Some(lock) => Some(lock),
        None => read_text_lossy(&folder.join("gems.locked"))?,
    };
    let (Some(home), Some(lock)) = (newest_version(&folder.join(VENDOR)), lock) else {
        return Ok(None);
    };
    let locked = parse_lockfile(&lock);
    let mut found = Vec::new();
    for (name, gem) in &locked {
        found.extend(find_gem(&home, name, gem)?);
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The folder of the newest version of Ruby for which gems were installed.
fn newest_version(vendor: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(vendor).ok()?.flatten();
    let homes = entries
        .map(|entry| entry.path())
        .filter(|path| path.join("gems").is_dir());
    let version = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect::<Vec<u32>>()
    };
    homes.max_by_key(version)
}

fn find_gem(home: &Path, name: &str, gem: &LockedGem) -> Result<Option<FoundGem>, BuilderError> {
    let plain = format!("{name}-{}", gem.version);
    let Some(full_name) = find_folder(&home.join("gems"), &plain) else {
        return Ok(None);
    };
    let specification = home
        .join("specifications")
        .join(format!("{full_name}.gemspec"));
    let specification = read_text_lossy(&specification)?.unwrap_or_default();
    let mut paths = quoted_texts(&specification, "require_paths");
    if paths.is_empty() {
        paths.push("lib".to_owned());
    }
    let programs = quoted_texts(&specification, "executables");
    let program_folder = quoted_texts(&specification, "bindir").pop();
    let program_folder = program_folder.unwrap_or_else(|| "bin".to_owned());
    let executables: BTreeMap<String, String> = programs
        .into_iter()
        .map(|program| (program.clone(), format!("{program_folder}/{program}")))
        .collect();
    Ok(Some(FoundGem {
        name: name.to_owned(),
        version: gem.version.clone(),
        folder: home.join("gems").join(&full_name),
        paths,
        shared: Vec::new(),
        executables,
        has_native_code: full_name != plain
            || !quoted_texts(&specification, "extensions").is_empty(),
        needs: gem.needs.clone(),
    }))
}

/// The folder of a gem: its name and version, or, for a gem with native code, with the platform behind them.
fn find_folder(gems: &Path, plain: &str) -> Option<String> {
    if gems.join(plain).is_dir() {
        return Some(plain.to_owned());
    }
    let entries = fs::read_dir(gems).ok()?.flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.find(|name| {
        let platform = name
            .strip_prefix(plain)
            .and_then(|rest| rest.strip_prefix('-'));
        platform.is_some_and(|platform| !platform.is_empty())
    })
}

/// The texts of an attribute of a specification, as RubyGems writes it: `s.NAME = ["lib".freeze]` or `s.NAME = "exe".freeze`.
fn quoted_texts(specification: &str, attribute: &str) -> Vec<String> {
    let begin = format!("s.{attribute} = ");
    let line = specification
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(&begin));
    let parts = line.unwrap_or_default().split('"');
    parts.skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_a_specification_are_read() {
        let text = "Gem::Specification.new do |s|\n  s.bindir = \"exe\".freeze\n  s.executables = [\"rackup\".freeze, \"b\".freeze]\n\
            \x20 s.require_paths = [\"lib\".freeze]\nend\n";
        assert_eq!(quoted_texts(text, "bindir"), ["exe"]);
        assert_eq!(quoted_texts(text, "executables"), ["rackup", "b"]);
        assert_eq!(quoted_texts(text, "require_paths"), ["lib"]);
        assert!(quoted_texts(text, "extensions").is_empty());
    }
}

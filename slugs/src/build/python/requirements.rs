//! Owns what a project says that it needs: requirements.txt, pyproject.toml (PEP 621, Poetry, uv), Pipfile, setup.py and
//! setup.cfg, with their lock files; as lines for pip. Must not know pip, nor what the packages are.
//!
//! A project in a folder, the app's own above all (`-e .`), is not installed: its folder is imported from, and what it
//! needs is added.

mod project_files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::facts::{SetupFacts, join};
use super::processes::Scripts;
use crate::build::BuildError;
use crate::build::toolbox::sources;
use crate::manifest::Warning;
use project_files::Project;

pub(super) const REQUIREMENTS: &str = "requirements.txt";
/// Files of requirements that name each other, at most.
const FILES_MAX: usize = 32;
/// Packages of native code that are only servers, have no wheels, and are not needed: a dyno has its own.
const SERVERS_LEFT_OUT: [&str; 5] = ["uwsgi", "mod-wsgi", "bjoern", "meinheld", "uwsgi-tools"];

/// What an app asks for.
#[derive(Debug, Default)]
pub(super) struct Requested {
    /// The file that says so, for messages.
    pub(super) file: String,
    /// Requirements, as pip reads them.
    pub(super) lines: Vec<String>,
    /// Versions that a lock file pins, as pip's constraints.
    pub(super) constraints: Vec<String>,
    /// Folders of projects, to import from.
    pub(super) roots: Vec<String>,
    /// Programs of those projects.
    pub(super) scripts: Scripts,
    pub(super) warnings: Vec<Warning>,
}

impl Requested {
    /// Reads what the project in a folder says. `setup` is what its setup.py and setup.cfg do.
    pub(super) fn read(folder: &Path, setup: &SetupFacts) -> Result<Self, BuildError> {
        let mut requested = Self::default();
        let own = Project::read(folder, "", Some(setup))?;
        let text = read_text(&folder.join(REQUIREMENTS))?;
        if text.is_some() {
            requested.file = REQUIREMENTS.to_owned();
            let mut reader = RequirementsReader::new(folder);
            reader.read_all(REQUIREMENTS)?;
            requested.lines = reader.lines;
            for (project, extras) in reader.projects {
                requested.add_project(folder, &project, &extras, setup)?;
            }
        } else {
            requested.file = own.file.to_owned();
            requested.add_project(folder, "", &[], setup)?;
            requested.constraints = project_files::locked(folder)?;
        }
        requested.add_layout("", &own);
        requested.scripts.extend(own.scripts);
        requested.warnings.extend(own.warnings);
        requested.lines.retain(|line| !is_left_out(line));
        Ok(requested)
    }

    /// Adds what a project in a folder of the app needs, and those that it names in turn.
    fn add_project(
        &mut self,
        folder: &Path,
        place: &str,
        extras: &[String],
        setup: &SetupFacts,
    ) -> Result<(), BuildError> {
        let mut waiting = vec![(place.to_owned(), extras.to_vec())];
        let mut seen = BTreeSet::new();
        while let Some((place, extras)) = waiting.pop() {
            if !seen.insert(place.clone()) || seen.len() > FILES_MAX {
                continue;
            }
            let setup = place.is_empty().then_some(setup);
            let project = Project::read(folder, &place, setup)?;
            self.lines.extend(project.requires.iter().cloned());
            for extra in &extras {
                self.lines
                    .extend(project.extras.get(extra).into_iter().flatten().cloned());
            }
            for file in &project.dynamic_files {
                let mut reader = RequirementsReader::new(folder);
                reader.read_all(&join(&place, file))?;
                self.lines.extend(reader.lines);
                waiting.extend(reader.projects);
            }
            for local in &project.local {
                waiting.push((join_path(&place, local), Vec::new()));
            }
            self.add_layout(&place, &project);
            self.scripts.extend(project.scripts);
        }
        Ok(())
    }

    fn add_layout(&mut self, place: &str, project: &Project) {
        let roots = project.roots.iter().map(|root| join_path(place, root));
        self.roots.extend(roots);
        if project.roots.is_empty() && !place.is_empty() {
            self.roots.push(place.to_owned());
        }
        self.roots.sort();
        self.roots.dedup();
    }

    /// The text that decides which packages are installed.
    pub(super) fn text(&self) -> String {
        format!(
            "{}\n--\n{}",
            self.lines.join("\n"),
            self.constraints.join("\n")
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        let asks = |line: &String| !line.trim().is_empty() && !line.trim().starts_with('#');
        !self.lines.iter().any(asks)
    }
}

/// A folder within the app's, by a path relative to another one.
fn join_path(place: &str, inner: &str) -> String {
    let mut parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
    for part in inner.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn is_left_out(line: &str) -> bool {
    SERVERS_LEFT_OUT.contains(&name_of(line).as_str())
}

/// A name as indexes compare it (PEP 503).
pub(super) fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// The name at the begin of a requirement.
pub(super) fn name_of(line: &str) -> String {
    let name = line
        .trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || "-_.".contains(*c));
    normal(&name.collect::<String>())
}

/// Text as editors of all systems write it: UTF-8, or UTF-16 with a byte order mark (`pip freeze >` on Windows).
pub(super) fn read_text(path: &Path) -> Result<Option<String>, BuildError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return sources::text(path),
    };
    Ok(Some(decode(&bytes)))
}

fn decode(bytes: &[u8]) -> String {
    let wide = |order: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes[2..].as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| order(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Reads files of requirements that name each other, each once, to one list.
struct RequirementsReader<'a> {
    folder: &'a Path,
    seen: BTreeSet<PathBuf>,
    lines: Vec<String>,
    /// Projects in folders of the app, with their extras.
    projects: Vec<(String, Vec<String>)>,
}

impl<'a> RequirementsReader<'a> {
    fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            seen: BTreeSet::new(),
            lines: Vec::new(),
            projects: Vec::new(),
        }
    }

    fn read_all(&mut self, first: &str) -> Result<(), BuildError> {
        let mut waiting = vec![(first.to_owned(), String::new(), false)];
        while let Some((file, named_by, constrains)) = waiting.pop() {
            if !self.seen.insert(PathBuf::from(&file)) || self.seen.len() > FILES_MAX {
                continue;
            }
            let Some(text) = read_text(&self.folder.join(&file))? else {
                return Err(BuildError::Refused(format!(
                    "{named_by} names {file}, which is not in the app's folder: add it, or correct the line"
                )));
            };
            for line in logical_lines(&text) {
                let place = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                match named_file(&line) {
                    Some((named, constrains)) => {
                        waiting.push((join_path(place, &named), file.clone(), constrains));
                    }
                    None => self.take(place, line, constrains),
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, place: &str, line: String, constrains: bool) {
        if constrains {
            return self.lines.push(format!("{CONSTRAINT}{line}"));
        }
        let editable = ["-e ", "--editable ", "--editable="];
        let target = editable
            .iter()
            .find_map(|flag| line.strip_prefix(flag))
            .unwrap_or(&line)
            .trim();
        if let Some((path, extras)) = local_project(target) {
            // pip takes such a path from the folder that it runs in.
            return self.projects.push((join_path("", path), extras));
        }
        match line
            .strip_prefix("--find-links")
            .or(line.strip_prefix("-f "))
        {
            Some(links) if !links.contains("://") => {
                let links = links.trim_start_matches(['=', ' ']).trim();
                self.lines
                    .push(format!("--find-links {}", join_path(place, links)));
            }
            _ => self.lines.push(line),
        }
    }
}

/// Marks a line that is a constraint among requirements.
pub(super) const CONSTRAINT: &str = "\0constraint ";

/// Lines without comments, with continued ones in one.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for physical in text.lines() {
        let is_comment = physical.trim_start().starts_with('#');
        let (part, goes_on) = match physical.trim_end().strip_suffix('\\') {
            Some(part) if !is_comment => (part, true),
            _ => (physical, false),
        };
        // A comment begins at the line's begin, or after a space: `#` is part of URLs.
        let part = match is_comment {
            true => "",
            false => part.split(" #").next().unwrap_or(part),
        };
        line.push_str(part);
        if !goes_on {
            let whole = std::mem::take(&mut line);
            lines.extend(Some(whole.trim().to_owned()).filter(|whole| !whole.is_empty()));
        }
    }
    lines.extend(Some(line.trim().to_owned()).filter(|line| !line.is_empty()));
    lines
}

/// The file that `-r FILE` or `-c FILE` names, and whether it constrains only.
fn named_file(line: &str) -> Option<(String, bool)> {
    let flags = [
        ("--requirement", false),
        ("--constraint", true),
        ("-r", false),
        ("-c", true),
    ];
    let (rest, constrains) = flags
        .iter()
        .find_map(|(flag, constrains)| Some((line.strip_prefix(flag)?, *constrains)))?;
    let named = rest.trim_start_matches(['=', ' ']).trim();
    (!named.contains("://")).then(|| (named.to_owned(), constrains))
}

/// A requirement that is a folder: `.`, `./libs/x`, `.[dev]`, `file:libs/x`, `name @ file:…`.
fn local_project(target: &str) -> Option<(&str, Vec<String>)> {
    let target = target.rsplit(" @ ").next().unwrap_or(target).trim();
    let (path, extras) = match target
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['))
    {
        Some((path, extras)) => (path, extras),
        None => (target, ""),
    };
    let path = path.strip_prefix("file:").unwrap_or(path).trim();
    let is_folder =
        path == "." || path == ".." || path.starts_with("./") || path.starts_with("../");
    let is_archive = [".whl", ".gz", ".zip", ".bz2"]
        .iter()
        .any(|end| path.ends_with(end));
    let extras = extras.split(',').map(|extra| extra.trim().to_owned());
    (is_folder && !is_archive).then(|| (path, extras.filter(|extra| !extra.is_empty()).collect()))
}

/// Requirements and constraints apart, as pip wants them.
pub(super) fn parted(lines: &[String]) -> (Vec<&str>, Vec<&str>) {
    let mut parted = (Vec::new(), Vec::new());
    for line in lines {
        match line.strip_prefix(CONSTRAINT) {
            Some(constraint) => parted.1.push(constraint),
            None => parted.0.push(line.as_str()),
        }
    }
    parted
}

/// A table of names, each with what may be said of it, as one map.
pub(super) type Extras = BTreeMap<String, Vec<String>>;

#[cfg(test)]
mod tests;

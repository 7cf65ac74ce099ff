//! Owns the list of packages that a project asks for, as lines for pip: it is read from requirements.txt, pyproject.toml
//! (PEP 621, Poetry, uv), Pipfile, setup.py and setup.cfg, with their lock files. Must not know pip, nor what the packages
//! are.
//!
//! A project in a folder, above all the app's own (`-e .`), is not installed: modules are imported from its folder, and the
//! packages that it needs are added.

pub(super) mod line;
mod project_files;
pub(super) mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::facts::{SetupFacts, join_path};
use super::processes::Scripts;
use crate::build::toolbox::error::BuilderError;
use crate::manifest::error::BuildWarning;
use line::package_name;
use project_files::{ProjectRequirements, REQUIREMENTS};
use text::read_any_text;

/// Most files of requirements that name each other, and most projects.
const FILES_MAX: usize = 32;
/// Web servers in native code without wheels. They are left out, since a dyno needs no web server.
const IGNORED_SERVERS: [&str; 5] = ["uwsgi", "mod-wsgi", "bjoern", "meinheld", "uwsgi-tools"];

/// The packages that an app asks for.
#[derive(Debug, Default)]
pub(super) struct RequestedPackages {
    /// The file that lists them, for messages.
    pub(super) file: String,
    /// Requirements, as pip reads them.
    pub(super) lines: Vec<String>,
    /// Versions that a lock file pins, as pip's constraints.
    pub(super) constraints: Vec<String>,
    /// Folders of projects, from which modules are imported.
    pub(super) roots: Vec<String>,
    /// The programs of those projects.
    pub(super) scripts: Scripts,
    pub(super) warnings: Vec<BuildWarning>,
}

impl RequestedPackages {
    /// Reads the files of the project in a folder. `setup` is what its setup.py and setup.cfg say.
    pub(super) fn read(folder: &Path, setup: &SetupFacts) -> Result<Self, BuilderError> {
        let mut requested = Self::default();
        let own = ProjectRequirements::read(folder, "", Some(setup))?;
        let text = read_any_text(&folder.join(REQUIREMENTS))?;
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
            requested.constraints = project_files::read_locked_versions(folder)?;
        }
        requested.add_layout("", &own);
        requested.scripts.extend(own.scripts);
        requested.warnings.extend(own.warnings);
        requested.lines.retain(|line| !is_ignored_server(line));
        Ok(requested)
    }

    /// Adds the packages that the project in a folder of the app needs, and those of the projects that it names.
    fn add_project(
        &mut self,
        folder: &Path,
        place: &str,
        extras: &[String],
        setup: &SetupFacts,
    ) -> Result<(), BuilderError> {
        let mut waiting = vec![(place.to_owned(), extras.to_vec())];
        let mut seen = BTreeSet::new();
        while let Some((place, extras)) = waiting.pop() {
            if !seen.insert(place.clone()) || seen.len() > FILES_MAX {
                continue;
            }
            let setup = place.is_empty().then_some(setup);
            let project = ProjectRequirements::read(folder, &place, setup)?;
            self.lines.extend(project.requires.iter().cloned());
            for extra in &extras {
                self.lines
                    .extend(project.extras.get(extra).into_iter().flatten().cloned());
            }
            for file in &project.dynamic_files {
                let mut reader = RequirementsReader::new(folder);
                reader.read_all(&join_path(&place, file))?;
                self.lines.extend(reader.lines);
                waiting.extend(reader.projects);
            }
            for local in &project.local {
                waiting.push((resolve_path(&place, local), Vec::new()));
            }
            self.add_layout(&place, &project);
            self.scripts.extend(project.scripts);
        }
        Ok(())
    }

    /// Adds the folders from which a project's modules are imported.
    fn add_layout(&mut self, place: &str, project: &ProjectRequirements) {
        let roots = project.roots.iter().map(|root| resolve_path(place, root));
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

/// Resolves a path that is relative to a folder of the app; the result is relative to the app's folder.
fn resolve_path(place: &str, inner: &str) -> String {
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

fn is_ignored_server(line: &str) -> bool {
    IGNORED_SERVERS.contains(&package_name(line).as_str())
}

/// Reads files of requirements that name each other into one list, each file once.
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

    fn read_all(&mut self, first: &str) -> Result<(), BuilderError> {
        let mut waiting = vec![(first.to_owned(), String::new(), false)];
        while let Some((file, named_by, constrains)) = waiting.pop() {
            if !self.seen.insert(PathBuf::from(&file)) || self.seen.len() > FILES_MAX {
                continue;
            }
            let Some(text) = read_any_text(&self.folder.join(&file))? else {
                return Err(BuilderError::Refused(format!(
                    "{named_by} names {file}, which is not in the app's folder: add it, or correct the line"
                )));
            };
            for line in logical_lines(&text) {
                let place = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                match parse_named_file(&line) {
                    Some((named, constrains)) => {
                        waiting.push((resolve_path(place, &named), file.clone(), constrains));
                    }
                    None => self.add_line(place, line, constrains),
                }
            }
        }
        Ok(())
    }

    fn add_line(&mut self, place: &str, line: String, constrains: bool) {
        if constrains {
            return self.lines.push(format!("{CONSTRAINT_MARK}{line}"));
        }
        let editable = ["-e ", "--editable ", "--editable="];
        let target = editable
            .iter()
            .find_map(|flag| line.strip_prefix(flag))
            .unwrap_or(&line)
            .trim();
        if let Some((path, extras)) = parse_local_project(target) {
            // pip resolves such a path from the folder that it runs in, which is the app's.
            return self.projects.push((resolve_path("", path), extras));
        }
        match line
            .strip_prefix("--find-links")
            .or(line.strip_prefix("-f "))
        {
            Some(links) if !links.contains("://") => {
                let links = links.trim_start_matches(['=', ' ']).trim();
                self.lines
                    .push(format!("--find-links {}", resolve_path(place, links)));
            }
            _ => self.lines.push(line),
        }
    }
}

/// Marks a line among the requirements that is a constraint. No file can hold this text.
const CONSTRAINT_MARK: &str = "\0constraint ";

/// The lines of a text without comments; a line that ends with a backslash is joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for physical in text.lines() {
        let is_comment = physical.trim_start().starts_with('#');
        let (part, goes_on) = match physical.trim_end().strip_suffix('\\') {
            Some(part) if !is_comment => (part, true),
            _ => (physical, false),
        };
        // A comment begins at the begin of a line, or after a space: `#` can also be part of a URL.
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

/// Parses `-r FILE` and `-c FILE`: the file, and whether its lines are constraints.
fn parse_named_file(line: &str) -> Option<(String, bool)> {
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

/// Parses a requirement that is a folder, with its extras: `.`, `./libs/x`, `.[dev]`, `file:libs/x`, `name @ file:…`.
fn parse_local_project(target: &str) -> Option<(&str, Vec<String>)> {
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

/// Splits the lines into requirements and constraints, which pip reads from two files.
pub(super) fn split_constraints(lines: &[String]) -> (Vec<&str>, Vec<&str>) {
    let mut split = (Vec::new(), Vec::new());
    for line in lines {
        match line.strip_prefix(CONSTRAINT_MARK) {
            Some(constraint) => split.1.push(constraint),
            None => split.0.push(line.as_str()),
        }
    }
    split
}

#[cfg(test)]
mod tests;

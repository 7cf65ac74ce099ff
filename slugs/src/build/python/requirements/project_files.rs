//! Owns the forms in which a project lists the packages that it needs: pyproject.toml of PEP 621 and of Poetry, Pipfile,
//! setup.py and setup.cfg, and all their lock files. Must not know pip, nor what becomes of the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::{Table, Value};

use super::line::{ExtraRequirements, normalize_name, package_name};
use super::text::read_any_text;
use crate::build::python::facts::{SetupFacts, join_path};
use crate::build::python::processes::Scripts;
use crate::build::toolbox::error::BuilderError;
use crate::manifest::error::BuildWarning;

pub(crate) const REQUIREMENTS: &str = "requirements.txt";
const PYPROJECT: &str = "pyproject.toml";
const PIPFILE: &str = "Pipfile";
/// Lock files in TOML, each with the name of its list of packages (the last one: PEP 751).
const TOML_LOCKS: [(&str, &str); 4] = [
    ("uv.lock", "package"),
    ("poetry.lock", "package"),
    ("pdm.lock", "package"),
    ("pylock.toml", "packages"),
];

/// The requirements in the files of one project.
#[derive(Debug, Default)]
pub(crate) struct ProjectRequirements {
    /// The file that lists the packages.
    pub(crate) file: &'static str,
    pub(crate) requires: Vec<String>,
    pub(crate) extras: ExtraRequirements,
    /// Files of requirements that hold the project's list.
    pub(crate) dynamic_files: Vec<String>,
    /// The folders of other projects that it needs.
    pub(crate) local: Vec<String>,
    /// Folders that hold its modules, if that is not the project's own folder.
    pub(crate) roots: Vec<String>,
    pub(crate) scripts: Scripts,
    pub(crate) warnings: Vec<BuildWarning>,
}

impl ProjectRequirements {
    /// Reads the files of the project in `place`, a folder within the app's.
    pub(crate) fn read(
        folder: &Path,
        place: &str,
        setup: Option<&SetupFacts>,
    ) -> Result<Self, BuilderError> {
        let file = |name: &str| join_path(place, name);
        let mut project = Self {
            file: REQUIREMENTS,
            ..Self::default()
        };
        if let Some(text) = read_any_text(&folder.join(file(PYPROJECT)))? {
            project.file = PYPROJECT;
            project.read_pyproject(&parse_toml(&file(PYPROJECT), &text)?);
        }
        if let Some(text) = read_any_text(&folder.join(file(PIPFILE)))?
            && project.requires.is_empty()
        {
            project.file = PIPFILE;
            project.read_pipfile(&parse_toml(&file(PIPFILE), &text)?);
        }
        if let Some(setup) = setup {
            project.read_setup(setup);
        }
        if project.roots.is_empty() && has_src_layout(&folder.join(place)) {
            project.roots.push("src".to_owned());
        }
        Ok(project)
    }

    fn read_pyproject(&mut self, table: &Table) {
        let project = table_at(table, &["project"]);
        self.requires = project.map_or_else(Vec::new, |project| texts(project.get("dependencies")));
        let optional = table_at(table, &["project", "optional-dependencies"]);
        for (extra, list) in optional.into_iter().flatten() {
            self.extras.insert(extra.clone(), texts(Some(list)));
        }
        for place in [&["project", "scripts"][..], &["tool", "poetry", "scripts"]] {
            for (name, script) in table_at(table, place).into_iter().flatten() {
                if let Some(script) = script.as_str() {
                    self.scripts.insert(name.clone(), script.to_owned());
                }
            }
        }
        let listed = !self.requires.is_empty();
        for (name, dependency) in table_at(table, &["tool", "poetry", "dependencies"])
            .into_iter()
            .flatten()
        {
            self.add_poetry(name, dependency, listed);
        }
        let dynamic = table_at(table, &["tool", "setuptools", "dynamic", "dependencies"]);
        if let Some(files) = dynamic.and_then(|dynamic| dynamic.get("file")) {
            self.dynamic_files = texts(Some(files));
        }
        self.add_uv_sources(table);
        self.add_layout(table);
    }

    /// Adds a dependency in Poetry's own form. If `[project]` lists the dependency, Poetry's entry only says where it is.
    fn add_poetry(&mut self, name: &str, dependency: &Value, is_listed: bool) {
        let first = match dependency {
            Value::Array(several) => several.first().unwrap_or(dependency),
            one => one,
        };
        if let Some(path) = first.get("path").and_then(Value::as_str) {
            return self.local.push(path.to_owned());
        }
        let is_optional = first.get("optional").and_then(Value::as_bool) == Some(true);
        if name != "python" && !is_optional && !is_listed {
            self.requires
                .push(format_requirement(name, first, poetry_version));
        }
    }

    /// Adds the projects beside this one: `[tool.uv.sources] name = { path = … }`, and members of a workspace.
    fn add_uv_sources(&mut self, table: &Table) {
        let mut beside = BTreeSet::new();
        for (name, source) in table_at(table, &["tool", "uv", "sources"])
            .into_iter()
            .flatten()
        {
            if let Some(path) = source.get("path").and_then(Value::as_str) {
                self.local.push(path.to_owned());
                beside.insert(normalize_name(name));
            } else if source.get("workspace").is_some() {
                beside.insert(normalize_name(name));
            }
        }
        let members = table_at(table, &["tool", "uv", "workspace"]);
        let members = members.map_or_else(Vec::new, |members| texts(members.get("members")));
        let members = members.into_iter().filter(|member| !member.contains('*'));
        self.local.extend(members);
        self.requires
            .retain(|line| !beside.contains(&package_name(line)));
    }

    /// Adds the folders that the settings of build tools name as those of the modules.
    fn add_layout(&mut self, table: &Table) {
        let setuptools = table_at(table, &["tool", "setuptools", "package-dir"]);
        let root = setuptools.and_then(|dirs| dirs.get(""));
        self.roots.extend(texts(root));
        let found = table_at(table, &["tool", "setuptools", "packages", "find"]);
        self.roots
            .extend(texts(found.and_then(|found| found.get("where"))));
        let poetry = table_at(table, &["tool", "poetry"]).and_then(|poetry| poetry.get("packages"));
        for package in poetry.and_then(Value::as_array).into_iter().flatten() {
            self.roots.extend(texts(package.get("from")));
        }
        let hatch = table_at(table, &["tool", "hatch", "build", "targets", "wheel"]);
        for package in texts(hatch.and_then(|wheel| wheel.get("packages"))) {
            let outer = package.rsplit_once('/').map(|(outer, _)| outer.to_owned());
            self.roots.extend(outer);
        }
        self.roots.retain(|root| root != "." && !root.is_empty());
    }

    fn read_pipfile(&mut self, table: &Table) {
        for (name, dependency) in table_at(table, &["packages"]).into_iter().flatten() {
            match dependency.get("path").and_then(Value::as_str) {
                Some(path) => self.local.push(path.to_owned()),
                None => self
                    .requires
                    .push(format_requirement(name, dependency, pipfile_version)),
            }
        }
        for source in table
            .get("source")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let of = |key: &str| source.get(key).and_then(Value::as_str);
            // pip knows the usual index, or the one that its settings name instead.
            if let (Some(url), false) = (of("url"), of("name") == Some("pypi")) {
                self.requires.push(format!("--extra-index-url {url}"));
            }
        }
    }

    fn read_setup(&mut self, setup: &SetupFacts) {
        let is_first = self.requires.is_empty();
        if is_first && !setup.requires.is_empty() {
            self.file = "setup.py";
            self.requires.extend(setup.requires.iter().cloned());
        }
        if is_first && setup.computed {
            self.warnings.push(BuildWarning {
                file: "setup.py".to_owned(),
                line: None,
                text: format!(
                    "it computes `install_requires`, and dyno does not run it: list the packages in {REQUIREMENTS}"
                ),
            });
        }
        let root = setup.package_dir.iter().filter(|root| *root != ".");
        self.roots.extend(root.cloned());
        self.scripts.extend(setup.scripts.clone());
    }
}

/// Whether `src` holds Python files, and is not a package itself.
fn has_src_layout(project: &Path) -> bool {
    let src = project.join("src");
    if src.join("__init__.py").is_file() {
        return false;
    }
    let entries = std::fs::read_dir(src).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        path.extension().is_some_and(|end| end == "py") || path.join("__init__.py").is_file()
    })
}

fn parse_toml(file: &str, text: &str) -> Result<Table, BuilderError> {
    toml::from_str(text)
        .map_err(|error| BuilderError::Refused(format!("{file} cannot be read: {error}")))
}

/// The table at a path of names.
fn table_at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Table> {
    let mut current = table;
    for name in path {
        current = current.get(*name)?.as_table()?;
    }
    Some(current)
}

/// The texts of a value that is one text or a list of texts.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Writes a dependency in the form of a table as a requirement (PEP 508).
fn format_requirement(name: &str, value: &Value, version: fn(&str) -> String) -> String {
    let of = |key: &str| value.get(key).and_then(Value::as_str);
    let extras = texts(value.get("extras"));
    let extras = match extras.is_empty() {
        true => String::new(),
        false => format!("[{}]", extras.join(",")),
    };
    let markers = of("markers").map_or_else(String::new, |markers| format!("; {markers}"));
    if let Some(git) = of("git") {
        let revision = of("rev").or(of("ref")).or(of("tag")).or(of("branch"));
        let revision = revision.map_or_else(String::new, |revision| format!("@{revision}"));
        return format!("{name}{extras} @ git+{git}{revision}{markers}");
    }
    if let Some(url) = of("url").or(of("file")) {
        return format!("{name}{extras} @ {url}{markers}");
    }
    let asked = value.as_str().or(of("version")).unwrap_or("*");
    format!("{name}{extras}{}{markers}", version(asked))
}

/// Translates a version of a Pipfile, `*` or a specifier, to pip's form.
fn pipfile_version(text: &str) -> String {
    match text.trim() {
        "*" | "" => String::new(),
        text if text.starts_with(|c: char| c.is_ascii_digit()) => format!("=={text}"),
        text => text.to_owned(),
    }
}

/// Translates a version in Poetry's form (`^1.2`, `~1.2`, `1.*`) to pip's form.
fn poetry_version(text: &str) -> String {
    if text.contains("||") || text.contains(" | ") {
        return String::new();
    }
    let parts = text.split(',').map(|part| {
        let part = part.trim();
        match part.chars().next() {
            Some('^') => caret_range(part[1..].trim()),
            Some('~') if !part.starts_with("~=") => tilde_range(part[1..].trim()),
            Some(first) if first.is_ascii_digit() => format!("=={part}"),
            Some('*') | None => String::new(),
            Some(_) => part.replace(' ', ""),
        }
    });
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(",")
}

/// The versions from this one up to the next incompatible one, in which the first number that is not zero is raised.
fn caret_range(version: &str) -> String {
    let numbers = parse_numbers(version);
    let zeros = numbers.iter().take_while(|number| **number == 0).count();
    version_range(
        version,
        &numbers,
        zeros.min(numbers.len().saturating_sub(1)),
    )
}

/// The versions from this one up to the next minor one.
fn tilde_range(version: &str) -> String {
    let numbers = parse_numbers(version);
    version_range(version, &numbers, usize::from(numbers.len() > 1))
}

fn version_range(version: &str, numbers: &[u64], raised: usize) -> String {
    let mut next: Vec<u64> = numbers.iter().copied().take(raised + 1).collect();
    match next.last_mut() {
        Some(last) => *last += 1,
        None => return String::new(),
    }
    let next: Vec<String> = next.iter().map(u64::to_string).collect();
    format!(">={version},<{}", next.join("."))
}

fn parse_numbers(version: &str) -> Vec<u64> {
    let release = version.split(|c: char| !c.is_ascii_digit() && c != '.');
    let release = release.into_iter().next().unwrap_or_default();
    release
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// Reads the versions that a project's lock file pins, as constraints. A package with several pinned versions is left out.
pub(super) fn read_locked_versions(folder: &Path) -> Result<Vec<String>, BuilderError> {
    for (file, list) in TOML_LOCKS {
        if let Some(text) = read_any_text(&folder.join(file))? {
            let table = parse_toml(file, &text)?;
            let packages = table.get(list).and_then(Value::as_array);
            return Ok(format_pins(
                packages.into_iter().flatten().filter_map(parse_toml_pin),
            ));
        }
    }
    let Some(text) = read_any_text(&folder.join("Pipfile.lock"))? else {
        return Ok(Vec::new());
    };
    let lock: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| BuilderError::Refused(format!("Pipfile.lock cannot be read: {error}")))?;
    let packages = lock.get("default").and_then(serde_json::Value::as_object);
    let pinned = packages
        .into_iter()
        .flatten()
        .filter_map(|(name, package)| {
            let version = package.get("version")?.as_str()?.strip_prefix("==")?;
            Some((normalize_name(name), version.to_owned()))
        });
    Ok(format_pins(pinned))
}

/// The name and version of a package in a lock file; `None` if the package does not come from an index.
fn parse_toml_pin(package: &Value) -> Option<(String, String)> {
    let source = package.get("source").and_then(Value::as_table);
    let elsewhere = ["git", "url", "path", "directory", "editable", "virtual"];
    let of_source = source.is_some_and(|source| {
        let kind = source.get("type").and_then(Value::as_str);
        elsewhere
            .iter()
            .any(|key| kind == Some(key) || (kind.is_none() && source.contains_key(*key)))
    });
    let has_place = ["vcs", "directory", "archive"]
        .iter()
        .any(|key| package.get(*key).is_some());
    if of_source || has_place {
        return None;
    }
    let of = |key: &str| package.get(key).and_then(Value::as_str);
    Some((normalize_name(of("name")?), of("version")?.to_owned()))
}

fn format_pins(packages: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version) in packages {
        versions.entry(name).or_default().insert(version);
    }
    let single = versions
        .into_iter()
        .filter(|(_, versions)| versions.len() == 1);
    single
        .flat_map(|(name, versions)| {
            versions
                .into_iter()
                .map(move |version| format!("{name}=={version}"))
        })
        .collect()
}

#[cfg(test)]
mod tests;

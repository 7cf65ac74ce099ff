//! Owns `dyno.toml`: the app's optional settings.
//! Must not know what the settings do.
//!
//! ```toml
//! name = "hello"
//! [build]
//! command = "make"
//! output = ["out/web.wasm"]       # `.wasm` files, or folders that hold them
//! include = ["target/assets/**"]  # kept although a pattern leaves it out
//! exclude = ["*.psd"]             # gitignore patterns
//! [static]                        # a static site
//! root = "public"                 # the folder of its pages
//! fallback = "index.html"         # answers for pages that are not there
//! [limits]
//! memory = "128MiB"
//! timeout = "30s"
//! disk = "512MiB"
//! connections = 16
//! [formation]
//! web = 2
//! ```
//! `output`, `include`, `exclude` and `root` may be at the top as well.

use std::collections::BTreeMap;

use grid::name::{AppName, ProcessType};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ParsedFile, SyntaxError, line_at, suggestion};
use super::limits::{self, LimitError, ProcessLimits};
use crate::path::SlugPath;

/// Name of the file.
pub const NAME: &str = "dyno.toml";
/// Most dynos of one process type that a file may ask for.
pub const QUANTITY_MAX: u32 = 1_000;

/// The settings in `dyno.toml`. The default value stands for a missing file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectSettings {
    /// The app's name.
    pub name: Option<AppName>,
    /// A command for `sh -c` in the app's folder, in place of a detected builder.
    pub build_command: Option<String>,
    /// The paths of components that the build writes: files, or folders of components.
    pub output: Vec<String>,
    /// gitignore patterns of files to keep although another pattern leaves them out.
    pub include: Vec<String>,
    /// gitignore patterns of files to leave out.
    pub exclude: Vec<String>,
    /// The settings of a static site.
    pub site: SiteSettings,
    /// The limits that the app sets.
    pub limits: ProcessLimits,
    /// How many dynos of each type to begin with.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// `root` and `[static]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteSettings {
    /// The folder of the site's pages, relative to the app's folder. If it is set, the app is a static site.
    pub root: Option<String>,
    /// The page, relative to the root, that is served for missing pages.
    pub fallback: Option<String>,
}

const ROOT_KEYS: &[&str] = &[
    "name",
    "build",
    "output",
    "include",
    "exclude",
    "root",
    "static",
    "limits",
    "formation",
];
const BUILD_KEYS: &[&str] = &["command", "output", "include", "exclude"];
const STATIC_KEYS: &[&str] = &["root", "fallback"];
const LIMIT_KEYS: &[&str] = &["memory", "timeout", "disk", "connections"];

/// The file as written. Unknown keys were refused before, with a suggestion.
#[derive(Deserialize)]
struct RawSettings {
    name: Option<Spanned<String>>,
    #[serde(default)]
    build: RawBuild,
    #[serde(flatten)]
    paths: RawPaths,
    root: Option<Spanned<String>>,
    #[serde(default, rename = "static")]
    site: RawSite,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    formation: BTreeMap<Spanned<String>, Spanned<i64>>,
}

#[derive(Deserialize, Default)]
struct RawSite {
    root: Option<Spanned<String>>,
    fallback: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
struct RawBuild {
    command: Option<String>,
    #[serde(flatten)]
    paths: RawPaths,
}

#[derive(Deserialize, Default)]
struct RawPaths {
    output: Option<TextOrList>,
    include: Option<TextOrList>,
    exclude: Option<TextOrList>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

#[derive(Deserialize, Default)]
struct RawLimits {
    memory: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    disk: Option<Spanned<String>>,
    connections: Option<Spanned<i64>>,
}

/// Parses a `dyno.toml`.
pub fn parse(text: &str) -> Result<ParsedFile<ProjectSettings>, SyntaxError> {
    let reader = SettingsReader { text };
    let table = DeTable::parse(text).map_err(|error| reader.toml_error(&error))?;
    reader.check_keys(table.get_ref())?;
    let raw: RawSettings = toml::from_str(text).map_err(|error| reader.toml_error(&error))?;
    let value = ProjectSettings {
        name: raw
            .name
            .map(|name| reader.check_value(&name, |name| name.parse()))
            .transpose()?,
        build_command: raw.build.command,
        output: reader.read_paths("output", raw.paths.output, raw.build.paths.output)?,
        include: reader.read_paths("include", raw.paths.include, raw.build.paths.include)?,
        exclude: reader.read_paths("exclude", raw.paths.exclude, raw.build.paths.exclude)?,
        site: reader.read_site(raw.root, raw.site)?,
        limits: reader.read_limits(&raw.limits)?,
        formation: reader.read_formation(&raw.formation)?,
    };
    Ok(ParsedFile {
        value,
        warnings: Vec::new(),
    })
}

/// Reads values, and finds the lines of errors in the text.
struct SettingsReader<'a> {
    text: &'a str,
}

impl SettingsReader<'_> {
    fn error(&self, byte: usize, problem: impl Into<String>) -> SyntaxError {
        SyntaxError::new(NAME, line_at(self.text, byte), problem)
    }

    fn toml_error(&self, error: &toml::de::Error) -> SyntaxError {
        let at = error.span().map_or(0, |span| span.start);
        self.error(at, error.message().replace('\n', "; "))
    }

    /// Refuses unknown keys, in the root and in all sections.
    fn check_keys(&self, root: &DeTable<'_>) -> Result<(), SyntaxError> {
        self.check_table_keys(root, "", ROOT_KEYS)?;
        for (key, value) in root {
            let known = match key.get_ref().as_ref() {
                "build" => BUILD_KEYS,
                "limits" => LIMIT_KEYS,
                "static" => STATIC_KEYS,
                _ => continue,
            };
            let DeValue::Table(table) = value.get_ref() else {
                let name = key.get_ref();
                let problem = format!("`{name}` is a section: write `[{name}]` and its keys below");
                return Err(self.error(key.span().start, problem));
            };
            self.check_table_keys(table, &format!("{}.", key.get_ref()), known)?;
        }
        Ok(())
    }

    fn check_table_keys(
        &self,
        table: &DeTable<'_>,
        prefix: &str,
        known: &[&str],
    ) -> Result<(), SyntaxError> {
        for key in table.keys() {
            let name: &str = key.get_ref().as_ref();
            if !known.contains(&name) {
                let problem = format!("unknown key `{prefix}{name}`: {}", suggestion(name, known));
                return Err(self.error(key.span().start, problem));
            }
        }
        Ok(())
    }

    /// Checks a value. An error gets the value's line.
    fn check_value<T, V, E: ToString>(
        &self,
        value: &Spanned<V>,
        check: impl FnOnce(&V) -> Result<T, E>,
    ) -> Result<T, SyntaxError> {
        check(value.get_ref()).map_err(|error| self.error(value.span().start, error.to_string()))
    }

    /// Reads a key that may be at the top or under `[build]`, but not in both places.
    fn read_paths(
        &self,
        key: &str,
        top: Option<TextOrList>,
        build: Option<TextOrList>,
    ) -> Result<Vec<String>, SyntaxError> {
        if top.is_some() && build.is_some() {
            return Err(self.error(
                0,
                format!("`{key}` is at the top and under [build]: remove one"),
            ));
        }
        Ok(match top.or(build) {
            None => Vec::new(),
            Some(TextOrList::Text(text)) => vec![text],
            Some(TextOrList::List(list)) => list,
        })
    }

    fn read_site(
        &self,
        top: Option<Spanned<String>>,
        raw: RawSite,
    ) -> Result<SiteSettings, SyntaxError> {
        if let (Some(top), Some(_)) = (&top, &raw.root) {
            let problem = "`root` is at the top and under [static]: remove one";
            return Err(self.error(top.span().start, problem));
        }
        let path = |value: Option<Spanned<String>>| {
            value
                .map(|value| self.check_value(&value, |text| parse_folder_path(text)))
                .transpose()
        };
        Ok(SiteSettings {
            root: path(top.or(raw.root))?,
            fallback: path(raw.fallback)?,
        })
    }

    fn read_limits(&self, raw: &RawLimits) -> Result<ProcessLimits, SyntaxError> {
        let text = |value: &Option<Spanned<String>>, check: fn(&str) -> Result<u64, LimitError>| {
            value
                .as_ref()
                .map(|value| self.check_value(value, |text| check(text)))
                .transpose()
        };
        Ok(ProcessLimits {
            memory_bytes: text(&raw.memory, limits::parse_memory)?,
            timeout_ms: text(&raw.timeout, limits::parse_timeout)?,
            disk_bytes: text(&raw.disk, limits::parse_disk)?,
            connections: raw
                .connections
                .as_ref()
                .map(|value| self.check_value(value, |number| limits::check_connections(*number)))
                .transpose()?,
        })
    }

    fn read_formation(
        &self,
        raw: &BTreeMap<Spanned<String>, Spanned<i64>>,
    ) -> Result<BTreeMap<ProcessType, u32>, SyntaxError> {
        let mut formation = BTreeMap::new();
        for (name, count) in raw {
            let process = self.check_value(name, |name| name.parse::<ProcessType>())?;
            let count = self.check_value(count, |count| check_quantity(*count))?;
            formation.insert(process, count);
        }
        Ok(formation)
    }
}

/// Parses a path inside of the app's folder. `.` stands for that folder itself, and gives an empty text.
fn parse_folder_path(text: &str) -> Result<String, String> {
    let plain = text.trim_end_matches('/');
    let plain = plain.strip_prefix("./").unwrap_or(plain);
    if plain == "." {
        return Ok(String::new());
    }
    let path = SlugPath::new(plain);
    path.map(|path| path.as_str().to_owned())
        .map_err(|error| format!("`{}`: {error}", text.escape_debug()))
}

/// Checks a number of dynos.
pub(super) fn check_quantity(count: i64) -> Result<u32, String> {
    u32::try_from(count)
        .ok()
        .filter(|count| *count <= QUANTITY_MAX)
        .ok_or_else(|| format!("{count} dynos: the number must be from 0 to {QUANTITY_MAX}"))
}

//! Owns `dyno.toml`: the app's optional settings.
//! Must not know what the settings bring about.
//!
//! ```toml
//! name = "hello"
//! [build]
//! command = "make"
//! output = ["out/web.wasm"]       # `.wasm` files, or folders that hold them
//! include = ["target/assets/**"]  # kept although it would be left out
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
//! `output`, `include`, `exclude` and `root` may stand at the top as well.

use std::collections::BTreeMap;

use grid::name::{AppName, ProcessType};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Parsed, SyntaxError, line_at, suggestion};
use super::limits::{self, LimitError, Limits};
use crate::path::SlugPath;

/// Name of the file.
pub const NAME: &str = "dyno.toml";
/// Most dynos of a type that a file may ask for.
pub const QUANTITY_MAX: u32 = 1_000;

/// What `dyno.toml` says. Without the file: the default value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The app's name.
    pub name: Option<AppName>,
    /// Run by `sh -c` in the app's folder instead of a detected builder.
    pub build_command: Option<String>,
    /// Where the build leaves components: files, or folders that hold them.
    pub output: Vec<String>,
    /// gitignore patterns of files to keep although they would be left out.
    pub include: Vec<String>,
    /// gitignore patterns of files to leave out.
    pub exclude: Vec<String>,
    /// What a static site says about itself.
    pub site: SiteSettings,
    /// Limits that the app sets itself.
    pub limits: Limits,
    /// How many dynos of each type to begin with.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// `root` and `[static]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteSettings {
    /// The folder of the site's pages, named from the app's folder. If it is set, the app is a static site.
    pub root: Option<String>,
    /// The page, named from the root, that answers for pages that are not there.
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

/// The file as typed. Unknown keys were refused before, with a suggestion.
#[derive(Deserialize)]
struct Raw {
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
    output: Option<OneOrMore>,
    include: Option<OneOrMore>,
    exclude: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize, Default)]
struct RawLimits {
    memory: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    disk: Option<Spanned<String>>,
    connections: Option<Spanned<i64>>,
}

/// Reads a `dyno.toml`.
pub fn parse(text: &str) -> Result<Parsed<Settings>, SyntaxError> {
    let reader = Reader { text };
    let table = DeTable::parse(text).map_err(|error| reader.toml(&error))?;
    reader.known_keys(table.get_ref())?;
    let raw: Raw = toml::from_str(text).map_err(|error| reader.toml(&error))?;
    let value = Settings {
        name: raw
            .name
            .map(|name| reader.checked(&name, |name| name.parse()))
            .transpose()?,
        build_command: raw.build.command,
        output: reader.once("output", raw.paths.output, raw.build.paths.output)?,
        include: reader.once("include", raw.paths.include, raw.build.paths.include)?,
        exclude: reader.once("exclude", raw.paths.exclude, raw.build.paths.exclude)?,
        site: reader.site(raw.root, raw.site)?,
        limits: reader.limits(&raw.limits)?,
        formation: reader.formation(&raw.formation)?,
    };
    Ok(Parsed {
        value,
        warnings: Vec::new(),
    })
}

/// The text, to name lines of it.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn error(&self, byte: usize, problem: impl Into<String>) -> SyntaxError {
        SyntaxError::new(NAME, line_at(self.text, byte), problem)
    }

    fn toml(&self, error: &toml::de::Error) -> SyntaxError {
        let at = error.span().map_or(0, |span| span.start);
        self.error(at, error.message().replace('\n', "; "))
    }

    fn known_keys(&self, root: &DeTable<'_>) -> Result<(), SyntaxError> {
        self.known(root, "", ROOT_KEYS)?;
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
            self.known(table, &format!("{}.", key.get_ref()), known)?;
        }
        Ok(())
    }

    fn known(&self, table: &DeTable<'_>, prefix: &str, known: &[&str]) -> Result<(), SyntaxError> {
        for key in table.keys() {
            let name: &str = key.get_ref().as_ref();
            if !known.contains(&name) {
                let problem = format!("unknown key `{prefix}{name}`; {}", suggestion(name, known));
                return Err(self.error(key.span().start, problem));
            }
        }
        Ok(())
    }

    fn checked<T, V, E: ToString>(
        &self,
        value: &Spanned<V>,
        check: impl FnOnce(&V) -> Result<T, E>,
    ) -> Result<T, SyntaxError> {
        check(value.get_ref()).map_err(|error| self.error(value.span().start, error.to_string()))
    }

    /// A key that may stand at the top or under `[build]`, but not in both places.
    fn once(
        &self,
        key: &str,
        top: Option<OneOrMore>,
        build: Option<OneOrMore>,
    ) -> Result<Vec<String>, SyntaxError> {
        if top.is_some() && build.is_some() {
            return Err(self.error(
                0,
                format!("`{key}` is there at the top and under [build]; remove one"),
            ));
        }
        Ok(match top.or(build) {
            None => Vec::new(),
            Some(OneOrMore::One(one)) => vec![one],
            Some(OneOrMore::More(more)) => more,
        })
    }

    fn site(
        &self,
        top: Option<Spanned<String>>,
        raw: RawSite,
    ) -> Result<SiteSettings, SyntaxError> {
        if let (Some(top), Some(_)) = (&top, &raw.root) {
            let problem = "`root` is there at the top and under [static]; remove one";
            return Err(self.error(top.span().start, problem));
        }
        let path = |value: Option<Spanned<String>>| {
            value
                .map(|value| self.checked(&value, |text| folder_path(text)))
                .transpose()
        };
        Ok(SiteSettings {
            root: path(top.or(raw.root))?,
            fallback: path(raw.fallback)?,
        })
    }

    fn limits(&self, raw: &RawLimits) -> Result<Limits, SyntaxError> {
        let text = |value: &Option<Spanned<String>>, check: fn(&str) -> Result<u64, LimitError>| {
            value
                .as_ref()
                .map(|value| self.checked(value, |text| check(text)))
                .transpose()
        };
        Ok(Limits {
            memory_bytes: text(&raw.memory, limits::memory)?,
            timeout_ms: text(&raw.timeout, limits::timeout)?,
            disk_bytes: text(&raw.disk, limits::disk)?,
            connections: raw
                .connections
                .as_ref()
                .map(|value| self.checked(value, |number| limits::connections(*number)))
                .transpose()?,
        })
    }

    fn formation(
        &self,
        raw: &BTreeMap<Spanned<String>, Spanned<i64>>,
    ) -> Result<BTreeMap<ProcessType, u32>, SyntaxError> {
        let mut formation = BTreeMap::new();
        for (name, count) in raw {
            let process = self.checked(name, |name| name.parse::<ProcessType>())?;
            let count = self.checked(count, |count| quantity(*count))?;
            formation.insert(process, count);
        }
        Ok(formation)
    }
}

/// Checks a path inside of the app's folder, which may be that folder itself: `.`, which gives an empty text.
fn folder_path(text: &str) -> Result<String, String> {
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
pub(super) fn quantity(count: i64) -> Result<u32, String> {
    u32::try_from(count)
        .ok()
        .filter(|count| *count <= QUANTITY_MAX)
        .ok_or_else(|| format!("{count} dynos: the number must be from 0 to {QUANTITY_MAX}"))
}

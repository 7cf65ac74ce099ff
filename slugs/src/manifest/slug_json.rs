//! Owns `slug.json`: the manifest inside a slug, and its check. A manifest comes from an untrusted source.
//! Must not know the archive around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use grid::desired::{ProcessKind, ProcessSpec};
use grid::name::ProcessType;
use serde::{Deserialize, Serialize};

use super::command::{ARGS_MAX, COMMAND_BYTES_MAX, is_stored_form};
use super::dotenv::ENV_BYTES_MAX;
use super::env_name::is_env_name;
use super::limits::{LimitError, ProcessLimits};
use super::procfile::PROCESS_TYPES_MAX;
use super::settings::QUANTITY_MAX;
use crate::component::world::World;
use crate::digest::Digest;
use crate::format::{
    self, COMPONENT_BYTES_MAX, ENTRIES_MAX, FORMAT, FORMAT_WITHOUT_COMMANDS, UNPACKED_BYTES_MAX,
};
use crate::link::{APP_LINKS_MAX, AppTree, LinkError};
use crate::path::{SlugPath, shown};

/// Most command words: an app's own programs and those of its packages.
pub const COMMAND_WORDS_MAX: usize = 256;
/// Longest command word, in bytes.
const COMMAND_WORD_BYTES_MAX: usize = 64;
/// Longest text about a builder, in bytes: a name and a version.
const BUILDER_BYTES_MAX: usize = 200;

/// The manifest of a slug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format: [`Manifest::required_format`].
    pub format: u32,
    /// The builder that made the components.
    pub builder: BuilderRecord,
    /// The process types; at least one.
    pub processes: BTreeMap<ProcessType, ManifestProcess>,
    /// The meaning of the first word of a one-off dyno's command, such as `python` in `python manage.py migrate`.
    /// Absent if the app's language has no such words, as in slugs of format 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, CommandProgram>,
    /// How many dynos of each process type to begin with. An absent type has one dyno if it is `web`, and none otherwise.
    pub formation: BTreeMap<ProcessType, u32>,
    /// The config vars that the app wants (`app.json`): default values, never secrets.
    pub env: BTreeMap<String, EnvVar>,
    /// All files of the app, components included.
    pub files: BTreeMap<SlugPath, FileRecord>,
    /// The app's symbolic links with their targets, which are relative to the folder of the link. Each leads to a file or
    /// folder of the app. Absent if there are none, as in slugs of format 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<SlugPath, String>,
}

/// The builder that made the components.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuilderRecord {
    /// `rust`, `javascript`, `python`, `ruby`, `go`, `c`, `static`, `command` or `wasm`.
    pub name: String,
    /// The version line of its tool; empty if there is none.
    pub tool: String,
}

/// The program of a process type, and how it is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestProcess {
    /// The component: a key of [`Manifest::files`].
    pub component: SlugPath,
    /// The arguments, for [`super::expand`].
    pub args: Vec<String>,
    /// The world that the component is run in.
    pub world: World,
    /// The kind of process that this gives.
    #[serde(with = "kind")]
    pub kind: ProcessKind,
    /// The limits that the app sets.
    #[serde(default, skip_serializing_if = "ProcessLimits::is_default")]
    pub limits: ProcessLimits,
}

/// The program of a command word: a component that is a command. The program's own arguments come before those that the
/// user types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandProgram {
    /// The component: a key of [`Manifest::files`].
    pub component: SlugPath,
    /// The first arguments. References in them are not replaced.
    pub args: Vec<String>,
}

/// A config var that an app wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvVar {
    /// The default value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the app needs the config var.
    pub required: bool,
}

/// One file of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// The size of the file.
    pub bytes: u64,
    /// SHA-256 of its contents.
    pub sha256: Digest,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The text is not JSON of this form.
    #[error("slug.json cannot be read: build the slug again")]
    Json(#[source] serde_json::Error),
    /// The format is unknown.
    #[error(
        "slug.json has format {found}, but this dyno reads formats up to {FORMAT}: use the dyno that made the slug, or build the app again"
    )]
    Format {
        /// The format in the manifest.
        found: u32,
    },
    /// The text is not canonical: it has spaces, another order, or a key twice.
    #[error("slug.json is not in canonical form: build the slug with `dyno build`")]
    NotCanonical,
    /// A limit is exceeded.
    #[error("slug.json: {what} is over its limit of {most}")]
    TooMuch {
        /// The property that is limited.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// The manifest has no process type.
    #[error("slug.json names no process type: there is nothing to run")]
    NoProcess,
    /// The component of a process type is not in the slug.
    #[error("slug.json: `{process}` runs `{component}`, which is not in the slug")]
    AbsentComponent {
        /// The process type.
        process: ProcessType,
        /// The component.
        component: SlugPath,
    },
    /// The component of a command word is not in the slug.
    #[error("slug.json: the command `{word}` runs `{component}`, which is not in the slug")]
    AbsentCommand {
        /// The word.
        word: String,
        /// The component.
        component: SlugPath,
    },
    /// A symbolic link leads out of the app, or to nothing.
    #[error("slug.json: the symbolic link `{link}` is refused")]
    Link {
        /// The link.
        link: SlugPath,
        /// The reason.
        #[source]
        source: LinkError,
    },
    /// A path is both a file and a folder.
    #[error("slug.json: `{path}` is both a file and a folder")]
    FileAndFolder {
        /// The path.
        path: SlugPath,
    },
    /// The formation names an unknown process type.
    #[error("slug.json: the formation names `{process}`, which is not a process type of the app")]
    UnknownFormation {
        /// The process type.
        process: ProcessType,
    },
    /// A text does not have the required form.
    #[error("slug.json: `{text}` is not valid as {what}")]
    BadText {
        /// The expected kind of value.
        what: &'static str,
        /// The text, made safe to print.
        text: String,
    },
    /// A limit is out of range.
    #[error("slug.json: a limit of `{process}` is out of range")]
    Limit {
        /// The process type.
        process: ProcessType,
        /// The limit and its range.
        #[source]
        source: LimitError,
    },
}

/// Only the version, to distinguish a newer format from a broken manifest.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl Manifest {
    /// Parses and checks a manifest. Only the exact bytes that [`Manifest::to_json`] writes are accepted.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let FormatOnly { format } = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if !(FORMAT_WITHOUT_COMMANDS..=FORMAT).contains(&format) {
            return Err(ManifestError::Format { found: format });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if manifest.to_json() != bytes || manifest.format != manifest.required_format() {
            return Err(ManifestError::NotCanonical);
        }
        manifest.check()?;
        Ok(manifest)
    }

    /// The oldest format that can express this manifest. Older readers accept it, and one content has exactly one text.
    pub fn required_format(&self) -> u32 {
        let has_new_parts = !self.commands.is_empty() || !self.links.is_empty();
        let has_long_name = || {
            !self
                .files
                .keys()
                .all(|path| format::has_plain_header(path.as_str()))
        };
        match has_new_parts || has_long_name() {
            true => FORMAT,
            false => FORMAT_WITHOUT_COMMANDS,
        }
    }

    /// Writes the canonical text.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps have string keys and nothing here can fail")
    }

    /// The size of all files together, in bytes.
    pub fn unpacked_bytes(&self) -> u64 {
        self.files
            .values()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The process types in the form that `grid` uses, with default limits where none is set.
    pub fn specs(&self) -> BTreeMap<ProcessType, ProcessSpec> {
        let spec = |process: &ManifestProcess| ProcessSpec {
            kind: process.kind,
            limits: Arc::new(
                process
                    .limits
                    .override_limits(grid::desired::Limits::default()),
            ),
        };
        self.processes
            .iter()
            .map(|(name, process)| (name.clone(), spec(process)))
            .collect()
    }

    /// How many dynos of each process type to begin with: one of `web` and none of the others, unless the app sets numbers.
    pub fn initial_formation(&self) -> BTreeMap<ProcessType, u32> {
        let count = |name: &ProcessType| {
            self.formation
                .get(name)
                .copied()
                .unwrap_or(name.is_web().into())
        };
        self.processes
            .keys()
            .map(|name| (name.clone(), count(name)))
            .collect()
    }

    /// The components that process types and command words run, each once.
    pub fn components(&self) -> BTreeSet<&SlugPath> {
        let processes = self.processes.values().map(|process| &process.component);
        let commands = self.commands.values().map(|command| &command.component);
        processes.chain(commands).collect()
    }

    /// The first words of commands for one-off dynos, for people: process types that run by themselves, then command words.
    pub fn runnable_words(&self) -> Vec<&str> {
        let types = self.processes.iter();
        let types = types.filter(|(_, process)| process.kind != ProcessKind::Handler);
        let types = types.map(|(name, _)| name.as_str());
        types
            .chain(self.commands.keys().map(String::as_str))
            .collect()
    }

    /// Checks all rules that the types do not enforce.
    pub fn check(&self) -> Result<(), ManifestError> {
        self.check_files()?;
        self.check_texts()?;
        if self.processes.is_empty() {
            return Err(ManifestError::NoProcess);
        }
        check_limit(
            "process types",
            self.processes.len() as u64,
            PROCESS_TYPES_MAX as u64,
        )?;
        for (name, process) in &self.processes {
            self.check_process(name, process)?;
        }
        self.check_commands()?;
        for (process, count) in &self.formation {
            if !self.processes.contains_key(process) {
                return Err(ManifestError::UnknownFormation {
                    process: process.clone(),
                });
            }
            check_limit("a number of dynos", (*count).into(), QUANTITY_MAX.into())?;
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), ManifestError> {
        let mut folders = BTreeSet::new();
        for path in self.files.keys().chain(self.links.keys()) {
            folders.extend(path.folders());
        }
        check_limit(
            "files and folders",
            (self.files.len() + self.links.len() + folders.len()) as u64,
            ENTRIES_MAX as u64,
        )?;
        check_limit(
            "bytes of all files",
            self.unpacked_bytes(),
            UNPACKED_BYTES_MAX,
        )?;
        let mut paths = self.files.keys().chain(self.links.keys());
        if let Some(path) = paths.find(|path| folders.contains(path.as_str())) {
            return Err(ManifestError::FileAndFolder { path: path.clone() });
        }
        self.check_links()
    }

    fn check_links(&self) -> Result<(), ManifestError> {
        check_limit(
            "symbolic links",
            self.links.len() as u64,
            APP_LINKS_MAX as u64,
        )?;
        let tree = AppTree::new(self.files.keys(), &self.links);
        for (link, target) in &self.links {
            if self.files.contains_key(link) {
                return Err(bad_text(
                    "a symbolic link that is a file too",
                    link.as_str(),
                ));
            }
            let refused = |source| ManifestError::Link {
                link: link.clone(),
                source,
            };
            tree.check(link, target).map_err(refused)?;
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), ManifestError> {
        for text in [&self.builder.name, &self.builder.tool] {
            if text.len() > BUILDER_BYTES_MAX || text.chars().any(grid::text::is_control) {
                return Err(bad_text("a builder", text));
            }
        }
        let mut bytes = 0;
        for (name, var) in &self.env {
            if !is_env_name(name) {
                return Err(bad_text("a config var's name", name));
            }
            bytes += name.len() + var.value.as_ref().map_or(0, String::len);
        }
        check_limit("bytes of config vars", bytes as u64, ENV_BYTES_MAX as u64)
    }

    fn check_commands(&self) -> Result<(), ManifestError> {
        check_limit(
            "command words",
            self.commands.len() as u64,
            COMMAND_WORDS_MAX as u64,
        )?;
        for (word, command) in &self.commands {
            if !is_command_word(word) {
                return Err(bad_text("a command word", word));
            }
            let record =
                self.files
                    .get(&command.component)
                    .ok_or_else(|| ManifestError::AbsentCommand {
                        word: word.clone(),
                        component: command.component.clone(),
                    })?;
            check_limit("bytes of a component", record.bytes, COMPONENT_BYTES_MAX)?;
            check_args(&command.args, |_| true)?;
        }
        Ok(())
    }

    fn check_process(
        &self,
        name: &ProcessType,
        process: &ManifestProcess,
    ) -> Result<(), ManifestError> {
        let record =
            self.files
                .get(&process.component)
                .ok_or_else(|| ManifestError::AbsentComponent {
                    process: name.clone(),
                    component: process.component.clone(),
                })?;
        check_limit("bytes of a component", record.bytes, COMPONENT_BYTES_MAX)?;
        check_args(&process.args, is_stored_form)?;
        let limit = |source| ManifestError::Limit {
            process: name.clone(),
            source,
        };
        process.limits.check().map_err(limit)
    }
}

/// Checks number, size and form of a program's arguments.
fn check_args(args: &[String], is_in_form: fn(&str) -> bool) -> Result<(), ManifestError> {
    check_limit("arguments", args.len() as u64, ARGS_MAX as u64)?;
    let bytes: usize = args.iter().map(String::len).sum();
    // In stored form, each dollar sign may be doubled.
    check_limit(
        "bytes of arguments",
        bytes as u64,
        2 * COMMAND_BYTES_MAX as u64,
    )?;
    match args
        .iter()
        .find(|arg| arg.contains('\0') || !is_in_form(arg))
    {
        Some(arg) => Err(bad_text("an argument", arg)),
        None => Ok(()),
    }
}

/// Whether a text can be the first word of a command line, as the name of a program in a shell.
pub(crate) fn is_command_word(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    begins && text.len() <= COMMAND_WORD_BYTES_MAX && text.bytes().all(fits)
}

/// Fails if a value is over its limit.
fn check_limit(what: &'static str, value: u64, most: u64) -> Result<(), ManifestError> {
    if value > most {
        Err(ManifestError::TooMuch { what, most })
    } else {
        Ok(())
    }
}

fn bad_text(what: &'static str, text: &str) -> ManifestError {
    ManifestError::BadText {
        what,
        text: shown(text.as_bytes()),
    }
}

/// The text form of a kind in the slug's format, which does not depend on the form that `grid` uses elsewhere.
mod kind {
    use grid::desired::ProcessKind;
    use serde::{Deserialize, Deserializer, Serializer};

    const TEXTS: [(ProcessKind, &str); 3] = [
        (ProcessKind::Handler, "handler"),
        (ProcessKind::Server, "server"),
        (ProcessKind::Process, "process"),
    ];

    pub(super) fn serialize<S: Serializer>(
        kind: &ProcessKind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = TEXTS
            .iter()
            .find(|(known, _)| known == kind)
            .map_or("", |(_, text)| text);
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ProcessKind, D::Error> {
        let text = String::deserialize(deserializer)?;
        TEXTS
            .iter()
            .find(|(_, known)| *known == text)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| serde::de::Error::custom("a kind is `handler`, `server` or `process`"))
    }
}

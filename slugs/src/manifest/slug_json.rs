//! Owns `slug.json`: the manifest inside a slug, and what makes one acceptable.
//! Must not know the archive around it. It is checked as what it is: text from a stranger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use grid::desired::{ProcessKind, ProcessSpec};
use grid::name::ProcessType;
use serde::{Deserialize, Serialize};

use super::command::{ARGS_MAX, COMMAND_BYTES_MAX, is_stored_form};
use super::dotenv::ENV_BYTES_MAX;
use super::limits::{LimitError, Limits};
use super::procfile::PROCESS_TYPES_MAX;
use super::settings::QUANTITY_MAX;
use crate::component::World;
use crate::digest::Digest;
use crate::format::{
    self, COMPONENT_BYTES_MAX, ENTRIES_MAX, FORMAT, FORMAT_WITHOUT_COMMANDS, UNPACKED_BYTES_MAX,
};
use crate::link::{APP_LINKS_MAX, LinkError, Names};
use crate::path::{SlugPath, shown};

/// Most command words: an app's own scripts and those of its packages.
pub const COMMAND_WORDS_MAX: usize = 256;
/// Longest command word, in bytes.
const COMMAND_WORD_BYTES_MAX: usize = 64;
/// Longest text about a builder: a name and a version.
const BUILDER_BYTES_MAX: usize = 200;

/// All that a slug says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form: [`Manifest::format_needed`].
    pub format: u32,
    /// What made the components.
    pub builder: Builder,
    /// What the app runs, by process type; at least one.
    pub processes: BTreeMap<ProcessType, Process>,
    /// What a one-off's first word stands for, such as `python` in `python manage.py migrate`; absent where the app's
    /// language has no such words, as in slugs of format 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, CommandProgram>,
    /// How many dynos of each type to begin with; types that are absent: one of `web`, none of others.
    pub formation: BTreeMap<ProcessType, u32>,
    /// Config vars that the app wants (`app.json`): default values, never secrets.
    pub env: BTreeMap<String, EnvVar>,
    /// Every file of the app, components included.
    pub files: BTreeMap<SlugPath, FileRecord>,
    /// The app's symbolic links, with their targets as they are written, relative to where the link stands; each leads
    /// to something in the app. Absent where there are none, as in slugs of format 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<SlugPath, String>,
}

/// What made the components.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Builder {
    /// `rust`, `javascript`, `python`, `c`, `static`, `command` or `wasm`.
    pub name: String,
    /// The tool's own version line; empty if there is none.
    pub tool: String,
}

/// One process type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The component it runs: a key of [`Manifest::files`].
    pub component: SlugPath,
    /// Its arguments, for [`super::expand`].
    pub args: Vec<String>,
    /// The world it runs in.
    pub world: World,
    /// What that makes of it.
    #[serde(with = "kind")]
    pub kind: ProcessKind,
    /// Limits that the app sets itself.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
}

/// What a command word runs: a component that is a command, with arguments before those that are typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandProgram {
    /// The component: a key of [`Manifest::files`].
    pub component: SlugPath,
    /// Its first arguments, as they are: nothing in them is replaced.
    pub args: Vec<String>,
}

/// A config var that an app wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvVar {
    /// Its value unless the app's config has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the app does not work without.
    pub required: bool,
}

/// One file of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its contents.
    pub sha256: Digest,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of this form.
    #[error("slug.json cannot be read; build the slug again")]
    Json(#[source] serde_json::Error),
    /// From another time.
    #[error(
        "slug.json has format {found}, and this dyno reads up to {FORMAT}: use the dyno that made it, or build the app again"
    )]
    Format {
        /// What it says.
        found: u32,
    },
    /// Spaces, another order, a key twice: two texts for one manifest.
    #[error("slug.json is not in canonical form; build the slug with `dyno build`")]
    NotCanonical,
    /// Over a limit.
    #[error("slug.json: {what} is over its limit of {most}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// No process type.
    #[error("slug.json names no process type: there is nothing to run")]
    NoProcess,
    /// A process type whose component is not in the slug.
    #[error("slug.json: `{process}` runs `{component}`, which is not in the slug")]
    AbsentComponent {
        /// The process type.
        process: ProcessType,
        /// The file it names.
        component: SlugPath,
    },
    /// A command word whose component is not in the slug.
    #[error("slug.json: the command `{word}` runs `{component}`, which is not in the slug")]
    AbsentCommand {
        /// The word.
        word: String,
        /// The file it names.
        component: SlugPath,
    },
    /// A symbolic link that leads out of the app, or to nothing.
    #[error("slug.json: the symbolic link `{link}` is refused")]
    Link {
        /// The link.
        link: SlugPath,
        /// Why.
        #[source]
        source: LinkError,
    },
    /// A file where another path needs a folder.
    #[error("slug.json: `{path}` is both a file and a folder")]
    FileAndFolder {
        /// The path.
        path: SlugPath,
    },
    /// A formation of nothing.
    #[error("slug.json: the formation names `{process}`, which is not a process type of the app")]
    UnknownFormation {
        /// The process type.
        process: ProcessType,
    },
    /// A text that is not in its form.
    #[error("slug.json: {what} `{text}` is not in its form")]
    BadText {
        /// What it should be.
        what: &'static str,
        /// What it is, made safe to show.
        text: String,
    },
    /// A limit out of range.
    #[error("slug.json: a limit of `{process}` is out of range")]
    Limit {
        /// The process type.
        process: ProcessType,
        /// Which, and its range.
        #[source]
        source: LimitError,
    },
}

/// Reads only the version, so that a newer form is told from a broken one.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl Manifest {
    /// Reads and checks a manifest. Only the exact bytes that [`Manifest::to_json`] writes are accepted.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let FormatOnly { format } = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if !(FORMAT_WITHOUT_COMMANDS..=FORMAT).contains(&format) {
            return Err(ManifestError::Format { found: format });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if manifest.to_json() != bytes || manifest.format != manifest.format_needed() {
            return Err(ManifestError::NotCanonical);
        }
        manifest.check()?;
        Ok(manifest)
    }

    /// The oldest form that can say all of this: a reader of that form accepts it, and one content has one text.
    pub fn format_needed(&self) -> u32 {
        let has_new = !self.commands.is_empty() || !self.links.is_empty();
        let has_long = || {
            !self
                .files
                .keys()
                .all(|path| format::is_plain(path.as_str()))
        };
        match has_new || has_long() {
            true => FORMAT,
            false => FORMAT_WITHOUT_COMMANDS,
        }
    }

    /// The canonical text.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps have string keys and nothing here can fail")
    }

    /// All files together, in bytes.
    pub fn unpacked_bytes(&self) -> u64 {
        self.files
            .values()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The process types as the rest of the platform knows them, with default limits where none is set.
    pub fn specs(&self) -> BTreeMap<ProcessType, ProcessSpec> {
        let spec = |process: &Process| ProcessSpec {
            kind: process.kind,
            limits: Arc::new(process.limits.over(grid::desired::Limits::default())),
        };
        self.processes
            .iter()
            .map(|(name, process)| (name.clone(), spec(process)))
            .collect()
    }

    /// How many dynos of each type to begin with: one of `web` and none of others, unless the app says more.
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

    /// The files that process types and command words run, each once.
    pub fn components(&self) -> BTreeSet<&SlugPath> {
        let processes = self.processes.values().map(|process| &process.component);
        let commands = self.commands.values().map(|command| &command.component);
        processes.chain(commands).collect()
    }

    /// First words of what can be run once, for people: process types that run by themselves, then command words.
    pub fn runnable(&self) -> Vec<&str> {
        let types = self.processes.iter();
        let types = types.filter(|(_, process)| process.kind != ProcessKind::Handler);
        let types = types.map(|(name, _)| name.as_str());
        types
            .chain(self.commands.keys().map(String::as_str))
            .collect()
    }

    /// Checks all that the types do not.
    pub fn check(&self) -> Result<(), ManifestError> {
        self.check_files()?;
        self.check_texts()?;
        if self.processes.is_empty() {
            return Err(ManifestError::NoProcess);
        }
        at_most(
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
            at_most("a number of dynos", (*count).into(), QUANTITY_MAX.into())?;
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), ManifestError> {
        let mut folders = BTreeSet::new();
        for path in self.files.keys().chain(self.links.keys()) {
            folders.extend(path.folders());
        }
        at_most(
            "files and folders",
            (self.files.len() + self.links.len() + folders.len()) as u64,
            ENTRIES_MAX as u64,
        )?;
        at_most(
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
        at_most(
            "symbolic links",
            self.links.len() as u64,
            APP_LINKS_MAX as u64,
        )?;
        let names = Names::new(self.files.keys(), &self.links);
        for (link, target) in &self.links {
            if self.files.contains_key(link) {
                return Err(bad("a symbolic link that is a file too", link.as_str()));
            }
            let refused = |source| ManifestError::Link {
                link: link.clone(),
                source,
            };
            names.check(link, target).map_err(refused)?;
        }
        Ok(())
    }

    fn check_texts(&self) -> Result<(), ManifestError> {
        for text in [&self.builder.name, &self.builder.tool] {
            if text.len() > BUILDER_BYTES_MAX || text.chars().any(grid::text::is_control) {
                return Err(bad("a builder", text));
            }
        }
        let mut bytes = 0;
        for (name, var) in &self.env {
            if !super::is_env_name(name) {
                return Err(bad("a config var's name", name));
            }
            bytes += name.len() + var.value.as_ref().map_or(0, String::len);
        }
        at_most("bytes of config vars", bytes as u64, ENV_BYTES_MAX as u64)
    }

    fn check_commands(&self) -> Result<(), ManifestError> {
        at_most(
            "command words",
            self.commands.len() as u64,
            COMMAND_WORDS_MAX as u64,
        )?;
        for (word, command) in &self.commands {
            if !is_command_word(word) {
                return Err(bad("a command word", word));
            }
            let record =
                self.files
                    .get(&command.component)
                    .ok_or_else(|| ManifestError::AbsentCommand {
                        word: word.clone(),
                        component: command.component.clone(),
                    })?;
            at_most("bytes of a component", record.bytes, COMPONENT_BYTES_MAX)?;
            check_args(&command.args, |_| true)?;
        }
        Ok(())
    }

    fn check_process(&self, name: &ProcessType, process: &Process) -> Result<(), ManifestError> {
        let record =
            self.files
                .get(&process.component)
                .ok_or_else(|| ManifestError::AbsentComponent {
                    process: name.clone(),
                    component: process.component.clone(),
                })?;
        at_most("bytes of a component", record.bytes, COMPONENT_BYTES_MAX)?;
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
    at_most("arguments", args.len() as u64, ARGS_MAX as u64)?;
    let bytes: usize = args.iter().map(String::len).sum();
    // In stored form every dollar sign may be doubled.
    at_most(
        "bytes of arguments",
        bytes as u64,
        2 * COMMAND_BYTES_MAX as u64,
    )?;
    match args
        .iter()
        .find(|arg| arg.contains('\0') || !is_in_form(arg))
    {
        Some(arg) => Err(bad("an argument", arg)),
        None => Ok(()),
    }
}

/// Whether a text can be the first word of a command line: a program's name as shells know it.
pub(crate) fn is_command_word(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    begins && text.len() <= COMMAND_WORD_BYTES_MAX && text.bytes().all(fits)
}

fn at_most(what: &'static str, value: u64, most: u64) -> Result<(), ManifestError> {
    if value > most {
        Err(ManifestError::TooMuch { what, most })
    } else {
        Ok(())
    }
}

fn bad(what: &'static str, text: &str) -> ManifestError {
    ManifestError::BadText {
        what,
        text: shown(text.as_bytes()),
    }
}

/// The text form of a kind: part of the slug's format, whatever `grid` writes elsewhere.
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

//! Owns the files that describe an app: `slug.json` inside a slug, and the files that people write (`Procfile`, `dyno.toml`,
//! `app.json`, `.env`). Each is parsed from a text to a value with warnings.
//! Must not know the disk, nor how an app is built or packed.

pub mod app_json;
pub mod command;
pub mod dotenv;
pub(crate) mod env_name;
pub(crate) mod error;
mod json_key;
pub(crate) mod limits;
pub mod procfile;
pub mod settings;
pub(crate) mod slug_json;
pub(crate) mod text;

pub use app_json::AppJson;
pub use command::{ExpandError, ProcessCommand, expand};
pub use env_name::is_env_name;
pub use error::{BuildWarning, ParsedFile, SyntaxError};
pub use limits::{LimitError, ProcessLimits};
pub use procfile::Procfile;
pub use settings::ProjectSettings;
pub use slug_json::{
    BuilderRecord, COMMAND_WORDS_MAX, CommandProgram, EnvVar, FileRecord, Manifest, ManifestError,
    ManifestProcess,
};
pub use text::decode_text;

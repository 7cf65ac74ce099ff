//! Owns what is written about an app: `slug.json` inside a slug, and the files people write
//! (`Procfile`, `dyno.toml`, `app.json`, `.env`), each parsed to a value plus warnings.
//! Must not know the disk (texts come in as texts) nor how an app is built or packed.

pub mod app_json;
pub mod command;
pub mod dotenv;
mod error;
mod json_key;
mod limits;
pub mod procfile;
pub mod settings;
mod slug_json;
mod text;

pub use app_json::AppJson;
pub use command::{Command, ExpandError, expand};
pub use error::{Parsed, SyntaxError, Warning};
pub use limits::{LimitError, Limits};
pub use procfile::Procfile;
pub use settings::Settings;
pub(crate) use slug_json::is_command_word;
pub use slug_json::{
    Builder, COMMAND_WORDS_MAX, CommandProgram, EnvVar, FileRecord, Manifest, ManifestError,
    Process,
};
pub use text::decode_text;
pub(crate) use text::{decode_lossily, is_utf16};

/// Whether a text can be the name of a config var: `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_env_name(text: &str) -> bool {
    let first = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

//! A built slug in memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::run_command;
use crate::http::json_text;

/// The id and the bytes of a slug.
pub struct SlugFile {
    /// `sha256:` and the digest in hexadecimal.
    pub id: String,
    /// The content of the slug file, as clients upload it.
    pub bytes: Vec<u8>,
}

impl SlugFile {
    /// Runs a `dyno build --json` with `file` as its output, and reads the slug.
    pub(crate) fn build(build: &mut Command, file: &Path) -> SlugFile {
        let output = run_command(build.arg("-o").arg(file));
        SlugFile {
            id: json_text(&output.success_json(), "id").to_owned(),
            bytes: fs::read(file).unwrap(),
        }
    }

    /// The digest in hexadecimal, which is how paths of the API name a slug.
    pub fn hex(&self) -> &str {
        self.id.strip_prefix("sha256:").unwrap()
    }
}

//! The settings file: TOML with the same names as the flags, and `[services.NAME]` tables.
//!
//! Owns the file's form. No error quotes a line of the file, since URLs of services hold passwords. Must not know
//! defaults, nor which values fit together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::services::ServiceSettings;
use super::settings::ServerSettings;

/// Largest settings file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFileError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[source] std::io::Error),
    /// The file is too large.
    #[error("it has {bytes} bytes, and settings have {FILE_BYTES_MAX} at most")]
    TooLarge {
        /// The size of the file, in bytes.
        bytes: u64,
    },
    /// The file is in another encoding.
    #[error("it is {0}: save it as text in UTF-8")]
    NotUtf8(String),
    /// The file is not the TOML that is expected here.
    #[error("line {line}: {message}")]
    Syntax {
        /// The first line that is wrong, counted from 1.
        line: usize,
        /// The error, without the text of the line.
        message: String,
    },
    /// A value of a setting cannot be read.
    #[error("{name} has {text:?}: {reason}")]
    Value {
        /// The setting.
        name: &'static str,
        /// The value in the file.
        text: String,
        /// The error, and the values that are allowed.
        reason: String,
    },
}

/// The file as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SettingsFile {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    api: Option<SocketAddr>,
    domain: Option<String>,
    keep_releases: Option<u32>,
    idle_after: Option<String>,
    cycle: Option<String>,
    price: Option<PriceText>,
    free_dynos: Option<u32>,
    grace: Option<String>,
    egress_allow: Option<Vec<String>>,
    api_domain: Option<Vec<String>>,
    log_dir: Option<PathBuf>,
    trust_proxy: Option<Vec<String>>,
    #[serde(default)]
    services: ServiceSettings,
}

/// A price may stand with or without quotes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PriceText {
    Text(String),
    Number(f64),
    Whole(u64),
}

impl ServerSettings {
    /// The settings of a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not as expected.
    pub fn read_file(path: &Path) -> Result<ServerSettings, SettingsFileError> {
        let bytes = std::fs::metadata(path)
            .map_err(SettingsFileError::Read)?
            .len();
        if bytes > FILE_BYTES_MAX {
            return Err(SettingsFileError::TooLarge { bytes });
        }
        let bytes = std::fs::read(path).map_err(SettingsFileError::Read)?;
        let text = slugs::manifest::decode_text(bytes);
        let text = text.map_err(|problem| SettingsFileError::NotUtf8(problem.to_string()))?;
        ServerSettings::from_toml(&text)
    }

    /// The settings in the text of a file.
    ///
    /// # Errors
    /// The text is not as expected.
    pub fn from_toml(text: &str) -> Result<ServerSettings, SettingsFileError> {
        let file: SettingsFile =
            toml::from_str(text).map_err(|error| describe_syntax_error(text, &error))?;
        let price = file.price.map(PriceText::into_text);
        Ok(ServerSettings {
            data_folder: file.data,
            listen: file.listen,
            api: file.api,
            domain: file.domain,
            releases_kept: file.keep_releases,
            idle_after: parse_value("idle-after", file.idle_after)?,
            cycle_after: parse_value("cycle", file.cycle)?,
            price: parse_value("price", price)?,
            free_dynos: file.free_dynos,
            drain_grace: file.grace.map(parse_grace).transpose()?,
            egress_allow: parse_list("egress-allow", file.egress_allow)?,
            api_hosts: parse_list("api-domain", file.api_domain)?,
            log_folder: file.log_dir,
            trusted_proxies: parse_list("trust-proxy", file.trust_proxy)?,
            services: file.services,
        })
    }
}

impl PriceText {
    fn into_text(self) -> String {
        match self {
            PriceText::Text(text) => text,
            PriceText::Number(number) => number.to_string(),
            PriceText::Whole(number) => number.to_string(),
        }
    }
}

/// Names the line and the fault. The parser's own message would quote the line, which may hold a password.
fn describe_syntax_error(text: &str, error: &toml::de::Error) -> SettingsFileError {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let message = error.message();
    let quotes_value = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .any(|start| message.starts_with(start));
    let message = match message.rsplit_once(", expected ") {
        Some((_, expected)) if quotes_value => {
            format!("a value is not as it should be: expected {expected}")
        }
        _ => message.trim_end().to_owned(),
    };
    SettingsFileError::Syntax { line, message }
}

fn parse_value<T: FromStr<Err: ToString>>(
    name: &'static str,
    text: Option<String>,
) -> Result<Option<T>, SettingsFileError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(SettingsFileError::Value {
            name,
            reason: error.to_string(),
            text,
        }),
    }
}

fn parse_list<T: FromStr<Err: ToString>>(
    name: &'static str,
    texts: Option<Vec<String>>,
) -> Result<Vec<T>, SettingsFileError> {
    let texts = texts.unwrap_or_default().into_iter();
    let values = texts.map(|text| parse_value(name, Some(text)));
    let values: Result<Vec<Option<T>>, _> = values.collect();
    Ok(values?.into_iter().flatten().collect())
}

fn parse_grace(text: String) -> Result<std::time::Duration, SettingsFileError> {
    humantime::parse_duration(&text).map_err(|error| SettingsFileError::Value {
        name: "grace",
        reason: format!("{error}: write 30s"),
        text,
    })
}

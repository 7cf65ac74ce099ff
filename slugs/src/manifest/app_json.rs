//! Owns what is read of `app.json`: `env` and `formation`. The rest of that file is other platforms'.
//! Must not know how config vars are kept.

use std::collections::BTreeMap;

use grid::name::ProcessType;
use serde::Deserialize;

use super::error::{Parsed, SyntaxError, Warning};
use super::is_env_name;
use super::settings::quantity;
use super::slug_json::EnvVar;

/// Name of the file.
pub const NAME: &str = "app.json";

/// What `app.json` says that matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppJson {
    /// Config vars that the app wants.
    pub env: BTreeMap<String, EnvVar>,
    /// How many dynos of each type to begin with.
    pub formation: BTreeMap<ProcessType, u32>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    env: BTreeMap<String, RawVar>,
    #[serde(default)]
    formation: BTreeMap<String, RawQuantity>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawVar {
    Value(String),
    Described {
        value: Option<String>,
        required: Option<bool>,
        generator: Option<String>,
    },
}

#[derive(Deserialize)]
struct RawQuantity {
    #[serde(default = "one")]
    quantity: i64,
}

fn one() -> i64 {
    1
}

/// Reads an `app.json`. Other keys than `env` and `formation` are passed over.
pub fn parse(text: &str) -> Result<Parsed<AppJson>, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let raw: Raw = serde_json::from_str(text)
        .map_err(|error| SyntaxError::new(NAME, error.line().max(1), error.to_string()))?;
    let mut value = AppJson::default();
    let mut warnings = Vec::new();
    for (name, var) in raw.env {
        if !is_env_name(&name) {
            let problem = format!(
                "env `{}` is no name: letters, digits and `_`, not a digit first",
                name.escape_debug()
            );
            return Err(at(text, &name, problem));
        }
        if let RawVar::Described {
            generator: Some(_), ..
        } = var
        {
            warnings.push(Warning {
                file: NAME.to_owned(),
                line: None,
                text: format!("env `{name}` wants a generated value, which is not done here; set it with `dyno config set`"),
            });
        }
        value.env.insert(name, var.into());
    }
    for (name, count) in raw.formation {
        let process = name
            .parse::<ProcessType>()
            .map_err(|error| at(text, &name, error.to_string()))?;
        let count = quantity(count.quantity).map_err(|problem| at(text, &name, problem))?;
        value.formation.insert(process, count);
    }
    Ok(Parsed { value, warnings })
}

/// An error at the line where a key is written.
fn at(text: &str, key: &str, problem: String) -> SyntaxError {
    let byte = text.find(&format!("\"{key}\"")).unwrap_or(0);
    SyntaxError::new(NAME, super::error::line_at(text, byte), problem)
}

impl From<RawVar> for EnvVar {
    fn from(raw: RawVar) -> Self {
        match raw {
            RawVar::Value(value) => Self {
                value: Some(value),
                required: true,
            },
            RawVar::Described {
                value, required, ..
            } => Self {
                value,
                required: required.unwrap_or(true),
            },
        }
    }
}

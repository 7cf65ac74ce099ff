//! Owns what is read of `app.json`: `env` and `formation`. The rest of that file is other platforms'.
//! Must not know how config vars are kept.

use std::collections::BTreeMap;

use grid::name::ProcessType;
use serde_json::{Map, Value};

use super::error::{Parsed, SyntaxError, Warning};
use super::is_env_name;
use super::json_key::line_of_key;
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

/// Reads an `app.json`. Other keys than `env` and `formation` are passed over. An error names the key and its line.
pub fn parse(text: &str) -> Result<Parsed<AppJson>, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root: Value = serde_json::from_str(text)
        .map_err(|error| SyntaxError::new(NAME, error.line().max(1), error.to_string()))?;
    let reader = Reader { text };
    let Value::Object(root) = root else {
        return Err(SyntaxError::new(
            NAME,
            1,
            "it is no object; write `{\"env\": {…}, \"formation\": {…}}`",
        ));
    };
    let mut warnings = Vec::new();
    let value = AppJson {
        env: reader.env(&root, &mut warnings)?,
        formation: reader.formation(&root)?,
    };
    Ok(Parsed { value, warnings })
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    /// An error about the key at this path, at its line.
    fn error(&self, path: &[&str], problem: impl std::fmt::Display) -> SyntaxError {
        let key = path.join(".").escape_debug().to_string();
        let line = line_of_key(self.text, path).unwrap_or(1);
        SyntaxError::new(NAME, line, format!("`{key}` {problem}"))
    }

    /// A key of the root that holds an object, if it is there.
    fn section<'v>(
        &self,
        root: &'v Map<String, Value>,
        key: &str,
        example: &str,
    ) -> Result<Option<&'v Map<String, Value>>, SyntaxError> {
        match root.get(key) {
            None => Ok(None),
            Some(Value::Object(section)) => Ok(Some(section)),
            Some(other) => {
                let problem = format!("is {}; write an object: `{example}`", kind(other));
                Err(self.error(&[key], problem))
            }
        }
    }

    fn env(
        &self,
        root: &Map<String, Value>,
        warnings: &mut Vec<Warning>,
    ) -> Result<BTreeMap<String, EnvVar>, SyntaxError> {
        let mut env = BTreeMap::new();
        let section = self.section(root, "env", "\"env\": {\"NAME\": \"value\"}")?;
        for (name, var) in section.into_iter().flatten() {
            if !is_env_name(name) {
                let problem = "is no name: letters, digits and `_`, not a digit first";
                return Err(self.error(&["env", name], problem));
            }
            if var.get("generator").is_some() {
                warnings.push(Warning {
                    file: NAME.to_owned(),
                    line: line_of_key(self.text, &["env", name]),
                    text: format!("env `{name}` wants a generated value, which is not done here; set it with `dyno config set`"),
                });
            }
            env.insert(name.clone(), self.env_var(name, var)?);
        }
        Ok(env)
    }

    fn env_var(&self, name: &str, var: &Value) -> Result<EnvVar, SyntaxError> {
        let described = match var {
            Value::String(value) => {
                return Ok(EnvVar {
                    value: Some(value.clone()),
                    required: true,
                });
            }
            Value::Object(described) => described,
            other => {
                let problem = format!(
                    "is {}; write a text in quotes, or an object with `value` and `required`",
                    kind(other)
                );
                return Err(self.error(&["env", name], problem));
            }
        };
        let value = match described.get("value") {
            None | Some(Value::Null) => None,
            Some(Value::String(value)) => Some(value.clone()),
            Some(other) => {
                let problem = format!("is {}; write a text in quotes", kind(other));
                return Err(self.error(&["env", name, "value"], problem));
            }
        };
        let required = match described.get("required") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(required)) => *required,
            Some(other) => {
                let problem = format!("is {}; write true or false, without quotes", kind(other));
                return Err(self.error(&["env", name, "required"], problem));
            }
        };
        Ok(EnvVar { value, required })
    }

    fn formation(
        &self,
        root: &Map<String, Value>,
    ) -> Result<BTreeMap<ProcessType, u32>, SyntaxError> {
        let mut formation = BTreeMap::new();
        let example = "\"formation\": {\"web\": {\"quantity\": 1}}";
        for (name, dynos) in self
            .section(root, "formation", example)?
            .into_iter()
            .flatten()
        {
            let process = name.parse::<ProcessType>().map_err(|error| {
                self.error(&["formation", name], format!("is no process type: {error}"))
            })?;
            let Value::Object(dynos) = dynos else {
                let problem = format!("is {}; write an object: `{{\"quantity\": 1}}`", kind(dynos));
                return Err(self.error(&["formation", name], problem));
            };
            let path = ["formation", name, "quantity"];
            let count = match dynos.get("quantity") {
                None => 1,
                Some(count) => count.as_i64().ok_or_else(|| {
                    let problem =
                        format!("is {}; write a whole number, without quotes", kind(count));
                    self.error(&path, problem)
                })?,
            };
            let count =
                quantity(count).map_err(|problem| self.error(&path, format!("is {problem}")))?;
            formation.insert(process, count);
        }
        Ok(formation)
    }
}

/// What a value is, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

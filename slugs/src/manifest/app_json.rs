//! Owns the part of `app.json` that is read: `env` and `formation`. All other keys are for other platforms.
//! Must not know how config vars are stored.

use std::collections::BTreeMap;

use grid::name::ProcessType;
use serde_json::{Map, Value};

use super::env_name::is_env_name;
use super::error::{BuildWarning, ParsedFile, SyntaxError};
use super::json_key::find_key_line;
use super::settings::check_quantity;
use super::slug_json::EnvVar;

/// Name of the file.
pub const NAME: &str = "app.json";

/// The part of `app.json` that is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppJson {
    /// Config vars that the app wants.
    pub env: BTreeMap<String, EnvVar>,
    /// How many dynos of each type to begin with.
    pub formation: BTreeMap<ProcessType, u32>,
}

/// Parses an `app.json`. Keys other than `env` and `formation` are ignored. An error names the key and its line.
pub fn parse(text: &str) -> Result<ParsedFile<AppJson>, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root: Value = serde_json::from_str(text)
        .map_err(|error| SyntaxError::new(NAME, error.line().max(1), error.to_string()))?;
    let reader = AppJsonReader { text };
    let Value::Object(root) = root else {
        return Err(SyntaxError::new(
            NAME,
            1,
            "it is not an object: write `{\"env\": {…}, \"formation\": {…}}`",
        ));
    };
    let mut warnings = Vec::new();
    let value = AppJson {
        env: reader.read_env(&root, &mut warnings)?,
        formation: reader.read_formation(&root)?,
    };
    Ok(ParsedFile { value, warnings })
}

/// Reads values, and finds the lines of errors in the text.
struct AppJsonReader<'a> {
    text: &'a str,
}

impl AppJsonReader<'_> {
    /// An error about the key at this path, at its line.
    fn error(&self, path: &[&str], problem: impl std::fmt::Display) -> SyntaxError {
        let key = path.join(".").escape_debug().to_string();
        let line = find_key_line(self.text, path).unwrap_or(1);
        SyntaxError::new(NAME, line, format!("`{key}` {problem}"))
    }

    /// Reads a key of the root that holds an object, if it is there.
    fn read_section<'v>(
        &self,
        root: &'v Map<String, Value>,
        key: &str,
        example: &str,
    ) -> Result<Option<&'v Map<String, Value>>, SyntaxError> {
        match root.get(key) {
            None => Ok(None),
            Some(Value::Object(section)) => Ok(Some(section)),
            Some(other) => {
                let problem = format!("is {}: write an object: `{example}`", describe_value(other));
                Err(self.error(&[key], problem))
            }
        }
    }

    fn read_env(
        &self,
        root: &Map<String, Value>,
        warnings: &mut Vec<BuildWarning>,
    ) -> Result<BTreeMap<String, EnvVar>, SyntaxError> {
        let mut env = BTreeMap::new();
        let section = self.read_section(root, "env", "\"env\": {\"NAME\": \"value\"}")?;
        for (name, var) in section.into_iter().flatten() {
            if !is_env_name(name) {
                let problem = "is not a name: use letters, digits and `_`, and no digit first";
                return Err(self.error(&["env", name], problem));
            }
            if var.get("generator").is_some() {
                warnings.push(BuildWarning {
                    file: NAME.to_owned(),
                    line: find_key_line(self.text, &["env", name]),
                    text: format!("env `{name}` asks for a generated value, which dyno does not make: set one with `dyno config set`"),
                });
            }
            env.insert(name.clone(), self.read_env_var(name, var)?);
        }
        Ok(env)
    }

    fn read_env_var(&self, name: &str, var: &Value) -> Result<EnvVar, SyntaxError> {
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
                    "is {}: write a text in quotes, or an object with `value` and `required`",
                    describe_value(other)
                );
                return Err(self.error(&["env", name], problem));
            }
        };
        let value = match described.get("value") {
            None | Some(Value::Null) => None,
            Some(Value::String(value)) => Some(value.clone()),
            Some(other) => {
                let problem = format!("is {}: write a text in quotes", describe_value(other));
                return Err(self.error(&["env", name, "value"], problem));
            }
        };
        let required = match described.get("required") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(required)) => *required,
            Some(other) => {
                let problem = format!(
                    "is {}: write true or false, without quotes",
                    describe_value(other)
                );
                return Err(self.error(&["env", name, "required"], problem));
            }
        };
        Ok(EnvVar { value, required })
    }

    fn read_formation(
        &self,
        root: &Map<String, Value>,
    ) -> Result<BTreeMap<ProcessType, u32>, SyntaxError> {
        let mut formation = BTreeMap::new();
        let example = "\"formation\": {\"web\": {\"quantity\": 1}}";
        for (name, dynos) in self
            .read_section(root, "formation", example)?
            .into_iter()
            .flatten()
        {
            let process = name.parse::<ProcessType>().map_err(|error| {
                self.error(
                    &["formation", name],
                    format!("is not a process type: {error}"),
                )
            })?;
            let Value::Object(dynos) = dynos else {
                let problem = format!(
                    "is {}: write an object: `{{\"quantity\": 1}}`",
                    describe_value(dynos)
                );
                return Err(self.error(&["formation", name], problem));
            };
            let path = ["formation", name, "quantity"];
            let count = match dynos.get("quantity") {
                None => 1,
                Some(count) => count.as_i64().ok_or_else(|| {
                    let problem = format!(
                        "is {}: write a whole number, without quotes",
                        describe_value(count)
                    );
                    self.error(&path, problem)
                })?,
            };
            let count = check_quantity(count)
                .map_err(|problem| self.error(&path, format!("is {problem}")))?;
            formation.insert(process, count);
        }
        Ok(formation)
    }
}

/// The kind of a value, for people.
fn describe_value(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

//! The parameters of all operations: names in paths, the query, and the idempotency key.
//!
//! Owns their forms. Must not know single operations.

use serde_json::{Map, Value, json};

/// Names in paths: each with its description and its form.
const PATH_NAMES: [(&str, &str, &str); 7] = [
    ("app", "The app's name", "^[a-z][a-z0-9-]{1,28}[a-z0-9]$"),
    ("version", "The release, such as v3", "^v[1-9][0-9]{0,8}$"),
    (
        "dyno",
        "The dyno, such as web.1",
        "^[a-z][a-z0-9_-]{0,29}[.][1-9][0-9]{0,8}$",
    ),
    (
        "slug",
        "SHA-256 of the slug's file, with or without the prefix",
        "^(sha256:)?[0-9a-f]{64}$",
    ),
    (
        "hostname",
        "The hostname",
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z]([a-z0-9-]{0,61}[a-z0-9])?)+$",
    ),
    ("id", "The token's id", "^[0-9a-f]{16}$"),
    (
        "addon",
        "The add-on's name, such as postgresql-1f9a03bc",
        "^[a-z][a-z0-9-]{1,38}[a-z0-9]$",
    ),
];

/// A date, or a date and a time of day. Leaves out February 29, so that every date of this form exists.
const DATE_PATTERN: &str = "^(19[7-9][0-9]|2[0-9]{3})-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|\
                            (0[13578]|1[02])-31)(T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z)?$";
/// The forms of cursors, by the end of the list's path. Other cursors are names.
const CURSOR_PATTERNS: [(&str, &str); 2] = [
    ("/releases", "^v[1-9][0-9]{0,8}$"),
    (
        "/dynos",
        "^[a-z][a-z0-9_-]{0,29}[.][1-9][0-9]{0,8}~[0-9]{1,18}$",
    ),
];

/// Adds the names in the path and the idempotency key to the parameters that the handler declares.
pub(super) fn complete_parameters(path: &str, takes_key: bool, operation: &mut Value) {
    let names = PATH_NAMES
        .iter()
        .filter(|(name, _, _)| path.contains(&format!("{{{name}}}")));
    let mut all: Vec<Value> = names
        .map(|(name, description, pattern)| {
            let schema = json!({"type": "string", "pattern": pattern});
            json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
        })
        .collect();
    let declared = operation["parameters"].as_array();
    all.extend(declared.into_iter().flatten().cloned());
    if takes_key {
        all.push(idempotency_key());
    }
    for parameter in &mut all {
        remove_null(&mut parameter["schema"]);
        if let Some(pattern) = query_pattern(path, parameter["name"].as_str()) {
            parameter["schema"]["pattern"] = json!(pattern);
        }
    }
    if !all.is_empty() {
        operation["parameters"] = all.into();
    }
}

fn idempotency_key() -> Value {
    let schema = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false, "schema": schema,
        "description": "The client's name for this request. If it is sent again, it is carried out once.",
    })
}

/// The form of a parameter of the query, if it has one.
fn query_pattern(path: &str, name: Option<&str>) -> Option<&'static str> {
    match name? {
        "since" | "until" => Some(DATE_PATTERN),
        "after" => CURSOR_PATTERNS
            .iter()
            .find(|(list, _)| path.ends_with(list))
            .map(|(_, pattern)| *pattern),
        _ => None,
    }
}

/// Removes `null` from a schema: an optional parameter is absent, never null.
fn remove_null(schema: &mut Value) {
    let types = schema.get("type").and_then(Value::as_array).cloned();
    if let Some(types) = types {
        let other = types.into_iter().find(|kind| kind != "null");
        schema["type"] = other.unwrap_or_default();
    }
    let choices = schema.get("oneOf").and_then(Value::as_array).cloned();
    let Some(choices) = choices else { return };
    if let Some(choice) = choices.into_iter().find(|choice| choice["type"] != "null") {
        *schema = choice;
    }
    if schema.is_null() {
        *schema = Value::Object(Map::new());
    }
}

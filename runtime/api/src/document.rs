//! The OpenAPI document: what the handlers say of themselves, and what is so for all of them.
//!
//! Owns the rules by which failures, names in paths and access are added, so that no handler can leave them
//! out. Must not know single routes.

use crate::state::State;
use axum::http::header;
use axum::routing::{MethodRouter, get};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// Names in paths: what they are, and their form.
const NAMES: [(&str, &str, &str); 7] = [
    ("app", "The app's name", "^[a-z][a-z0-9-]{1,28}[a-z0-9]$"),
    ("version", "The release, such as v3", "^v[1-9][0-9]{0,8}$"),
    (
        "dyno",
        "The place in the formation, such as web.1",
        "^[a-z][a-z0-9_-]{0,29}[.][1-9][0-9]{0,8}$",
    ),
    (
        "slug",
        "SHA-256 of the slug's file, with or without the prefix",
        "^(sha256:)?[0-9a-f]{64}$",
    ),
    (
        "hostname",
        "The host name",
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z]([a-z0-9-]{0,61}[a-z0-9])?)+$",
    ),
    ("id", "The token's id", "^[0-9a-f]{16}$"),
    (
        "addon",
        "The add-on's name, such as postgresql-1f9a03bc",
        "^[a-z][a-z0-9-]{1,38}[a-z0-9]$",
    ),
];

/// A date of which every one exists, and a time of day if there is more.
const DATE: &str = "^(19[7-9][0-9]|2[0-9]{3})-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|\
                    (0[13578]|1[02])-31)(T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z)?$";
/// Cursors that have a form, by the list that they are of.
const CURSORS: [(&str, &str); 2] = [
    ("/releases", "^v[1-9][0-9]{0,8}$"),
    (
        "/dynos",
        "^[a-z][a-z0-9_-]{0,29}[.][1-9][0-9]{0,8}~[0-9]{1,18}$",
    ),
];

/// The route that serves a document.
pub(crate) fn route(document: Value) -> MethodRouter<State> {
    let text = document.to_string();
    get(move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    })
}

/// The document with all that the rules add.
pub(crate) fn finish(made: &OpenApi) -> Value {
    let mut document =
        serde_json::to_value(made).expect("a document is made of maps with text keys");
    document["info"] = json!({
        "title": "dyno control API",
        "version": "1",
        "description": "Everything that `dyno` does on a server. Errors are `{\"id\", \"message\"}`; lists are \
                        ordered and paged; unknown fields are refused.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/"}]);
    let components = &mut document["components"];
    components["securitySchemes"] = json!({"token": {
        "type": "http", "scheme": "bearer",
        "description": "A token of `dyno tokens create`; the first one is printed at the server's first start.",
    }});
    components["schemas"]["Error"] = json!({
        "type": "object",
        "required": ["id", "message"],
        "properties": {
            "id": {"type": "string", "pattern": "^[a-z_]+$", "description": "What kind of failure it is, for programs."},
            "message": {"type": "string", "description": "What is wrong and what to do, for people."},
        },
    });
    components["schemas"]["NewRelease"] = new_release();
    components["schemas"]["ConfigVarChanges"] = config_changes();
    components["schemas"]["NewAttachment"] = crate::routes::addons::new_attachment();
    document["paths"]["/v1/openapi.json"] = json!({"get": {
        "operationId": "openapi", "tags": ["server"], "summary": "This document",
        "responses": {"200": {"description": "The document", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }});
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            finish_operation(path, method, operation);
        }
    }
    document
}

/// Either a slug or an earlier release.
fn new_release() -> Value {
    json!({"oneOf": [
        {
            "type": "object", "required": ["slug"], "additionalProperties": false,
            "properties": {
                "slug": {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$", "description": "The slug, which must be on the server."},
                "description": {
                    "type": "string", "minLength": 1, "maxLength": 500, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
                    "description": "Why; `Deploy` if it is not said.",
                },
            },
        },
        {
            "type": "object", "required": ["rollback"], "additionalProperties": false,
            "properties": {"rollback": {
                "type": "string", "pattern": "^v[1-9][0-9]{0,8}$",
                "description": "The earlier release whose slug and config vars the new one is to have.",
            }},
        },
    ]})
}

fn config_changes() -> Value {
    json!({
        "type": "object",
        "description": "Values to set by name, and `null` for those to remove; 64 KiB all together.",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": ["string", "null"], "pattern": "^[^\\u0000]*$"},
    })
}

fn finish_operation(path: &str, method: &str, operation: &mut Value) {
    let is_open = !path.starts_with("/v1/") || path == "/v1/openapi.json";
    let changes = method != "get";
    let has_body = operation.get("requestBody").is_some();
    let is_json = has_body
        && operation["requestBody"]["content"]
            .get("application/json")
            .is_some();
    if has_body {
        operation["requestBody"]["required"] = json!(true);
    }
    if has_body && !is_json && path.starts_with("/v1/slugs/") {
        let bytes = json!({"schema": {"type": "string", "format": "binary"}});
        operation["requestBody"]["content"] =
            json!({slugs::MEDIA_TYPE: bytes.clone(), "application/octet-stream": bytes});
    }
    // A program that is started twice runs twice.
    let takes_key = method == "post" && is_json && !path.ends_with("/dynos");
    add_parameters(path, takes_key, operation);
    let has_query = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
    operation["security"] = match is_open {
        true => json!([]),
        false => json!([{"token": []}]),
    };
    let mut failures = vec![(!is_open, "401", "No token, or one that is not known")];
    failures.push((
        !is_open,
        "429",
        "Too many wrong tokens or readers: see Retry-After",
    ));
    failures.push((
        !is_open,
        "503",
        "The server is ending, or cannot write to its disk: try again",
    ));
    failures.push((!is_open, "403", "The token does not allow this"));
    failures.push((
        path.contains('{'),
        "404",
        "There is no such thing, or the token does not show it",
    ));
    failures.push((
        has_body || has_query,
        "400",
        "Not in form: the query, the body's JSON, or a header",
    ));
    failures.push((changes, "409", "It does not fit what there is"));
    failures.push((changes && has_body, "422", "A value that cannot be"));
    failures.push((has_body, "408", "The body took too long"));
    failures.push((has_body, "413", "The body is too large"));
    failures.push((has_body, "415", "The body is not of the right type"));
    failures.push((true, "405", "The path has other methods"));
    failures.push((
        true,
        "421",
        "The API does not answer at the host that the request names",
    ));
    failures.push((true, "500", "The server's own fault"));
    let responses = operation["responses"].as_object_mut();
    let Some(responses) = responses else { return };
    for (applies, status, description) in failures {
        if applies && !responses.contains_key(status) {
            responses.insert(status.to_owned(), failure(status, description));
        }
    }
}

fn failure(status: &str, description: &str) -> Value {
    let mut response = json!({
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    if ["429", "503"].contains(&status) {
        response["headers"] = json!({"Retry-After": {
            "description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1},
        }});
    }
    response
}

fn add_parameters(path: &str, takes_key: bool, operation: &mut Value) {
    let named = NAMES
        .iter()
        .filter(|(name, _, _)| path.contains(&format!("{{{name}}}")));
    let mut all: Vec<Value> = named
        .map(|(name, description, pattern)| {
            let schema = json!({"type": "string", "pattern": pattern});
            json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
        })
        .collect();
    all.extend(
        operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .cloned(),
    );
    if takes_key {
        let schema =
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "schema": schema,
            "description": "A name of the client's for this request: sent again, it is carried out once.",
        }));
    }
    for parameter in &mut all {
        plain_schema(&mut parameter["schema"]);
        if let Some(pattern) = pattern(path, parameter["name"].as_str()) {
            parameter["schema"]["pattern"] = json!(pattern);
        }
    }
    if !all.is_empty() {
        operation["parameters"] = all.into();
    }
}

/// The form of a parameter of the query that has one.
fn pattern(path: &str, name: Option<&str>) -> Option<&'static str> {
    match name? {
        "since" | "until" => Some(DATE),
        "after" => CURSORS
            .iter()
            .find(|(list, _)| path.ends_with(list))
            .map(|(_, form)| *form),
        _ => None,
    }
}

/// An optional parameter is absent, not null.
fn plain_schema(schema: &mut Value) {
    let kinds = schema.get("type").and_then(Value::as_array).cloned();
    if let Some(kinds) = kinds {
        let plain = kinds.into_iter().find(|kind| kind != "null");
        schema["type"] = plain.unwrap_or_default();
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

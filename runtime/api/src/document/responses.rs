//! The failures of all operations.
//!
//! Owns which operations can fail in which way. Must not know single operations.

use super::OperationKind;
use serde_json::{Value, json};

/// Adds the failures that an operation of this kind can have, unless the handler declares them.
pub(super) fn add_failures(kind: &OperationKind<'_>, operation: &mut Value) {
    let parameters = operation["parameters"].as_array();
    let has_query = parameters.is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
    let has_name = kind.path.contains('{');
    let needs_token = !kind.is_open;
    let failures = [
        (needs_token, "401", "No token, or one that is not known"),
        (
            needs_token,
            "429",
            "Too many wrong tokens or readers: see Retry-After",
        ),
        (
            needs_token,
            "503",
            "The server is ending, or cannot write to its disk: try again",
        ),
        (needs_token, "403", "The token does not allow this"),
        (
            has_name,
            "404",
            "There is no such thing, or the token does not show it",
        ),
        (
            kind.has_body || has_query,
            "400",
            "Not in form: the query, the body's JSON, or a header",
        ),
        (
            kind.is_change,
            "409",
            "The change does not fit the present state",
        ),
        (
            kind.is_change && kind.has_body,
            "422",
            "A value that is not allowed",
        ),
        (kind.has_body, "408", "The body took too long"),
        (kind.has_body, "413", "The body is too large"),
        (kind.has_body, "415", "The body is not of the right type"),
        (true, "405", "The path has other methods"),
        (
            true,
            "421",
            "The API does not answer at the host that the request names",
        ),
        (true, "500", "A defect of the server"),
    ];
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
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

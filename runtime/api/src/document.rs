//! The OpenAPI document: what the handlers declare, and what applies to all of them.
//!
//! Owns the rules that add failures, names in paths and access rules to every operation, so that no handler can leave
//! them out. Must not know single handlers.

mod bodies;
mod parameters;
mod responses;

use crate::resource::FailureResource;
use serde_json::{Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

/// An operation, as the rules see it.
struct OperationKind<'a> {
    path: &'a str,
    /// Whether it needs no token.
    is_open: bool,
    /// Whether it can change something.
    is_change: bool,
    has_body: bool,
    has_json_body: bool,
}

impl<'a> OperationKind<'a> {
    fn new(path: &'a str, method: &str, operation: &Value) -> OperationKind<'a> {
        let content = &operation["requestBody"]["content"];
        OperationKind {
            path,
            is_open: !path.starts_with("/v1/") || path == "/v1/openapi.json",
            is_change: method != "get",
            has_body: operation.get("requestBody").is_some(),
            has_json_body: content.get("application/json").is_some(),
        }
    }
}

/// Adds to the document what the handlers do not declare themselves.
pub(crate) fn complete_document(declared: &OpenApi) -> Value {
    let mut document =
        serde_json::to_value(declared).expect("a document is made of maps with text keys");
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
    components["schemas"]["Error"] = json!(FailureResource::schema());
    components["schemas"]["NewRelease"] = bodies::new_release();
    components["schemas"]["ConfigVarChanges"] = bodies::config_var_changes();
    components["schemas"]["NewAttachment"] = bodies::new_attachment();
    document["paths"]["/v1/openapi.json"] = json!({"get": {
        "operationId": "openapi", "tags": ["server"], "summary": "This document",
        "responses": {"200": {"description": "The document", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }});
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let kind = OperationKind::new(path, method, operation);
            complete_operation(&kind, method, operation);
        }
    }
    document
}

fn complete_operation(kind: &OperationKind<'_>, method: &str, operation: &mut Value) {
    if kind.has_body {
        operation["requestBody"]["required"] = json!(true);
    }
    if kind.has_body && !kind.has_json_body && kind.path.starts_with("/v1/slugs/") {
        let bytes = json!({"schema": {"type": "string", "format": "binary"}});
        operation["requestBody"]["content"] =
            json!({slugs::MEDIA_TYPE: bytes.clone(), "application/octet-stream": bytes});
    }
    // A one-off dyno takes no key: a request that is repeated runs the program again.
    let takes_key = method == "post" && kind.has_json_body && !kind.path.ends_with("/dynos");
    parameters::complete_parameters(kind.path, takes_key, operation);
    operation["security"] = match kind.is_open {
        true => json!([]),
        false => json!([{"token": []}]),
    };
    responses::add_failures(kind, operation);
}

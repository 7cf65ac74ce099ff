//! Schemas of request bodies of which derived schemas would say less than is known.
//!
//! Owns these schemas. Must not know operations.

use serde_json::{Value, json};

/// The schema of [`CreateReleaseRequest`](crate::resource::CreateReleaseRequest): a slug, or an earlier release.
pub(super) fn new_release() -> Value {
    json!({"oneOf": [
        {
            "type": "object", "required": ["slug"], "additionalProperties": false,
            "properties": {
                "slug": {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$", "description": "The slug, which must be on the server."},
                "description": {
                    "type": "string", "minLength": 1, "maxLength": 500, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
                    "description": "Why the release is made; absent: `Deploy`.",
                },
            },
        },
        {
            "type": "object", "required": ["rollback"], "additionalProperties": false,
            "properties": {"rollback": {
                "type": "string", "pattern": "^v[1-9][0-9]{0,8}$",
                "description": "The earlier release whose slug and config vars the new release takes over.",
            }},
        },
    ]})
}

/// The schema of [`UpdateConfigVarsRequest`](crate::resource::UpdateConfigVarsRequest).
pub(super) fn config_var_changes() -> Value {
    json!({
        "type": "object",
        "description": "Values to set by name, and `null` for the names to remove; 64 KiB all together.",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": ["string", "null"], "pattern": "^[^\\u0000]*$"},
    })
}

/// The schema of [`CreateAddonRequest`](crate::resource::CreateAddonRequest): a service, or an add-on of another app.
pub(super) fn new_attachment() -> Value {
    let attach_as = json!({
        "type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,29}$",
        "description": "The name of the attachment; absent: DATABASE, REDIS or MEMCACHED.",
    });
    let name = json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{1,38}[a-z0-9]$"});
    json!({"oneOf": [
        {
            "type": "object", "required": ["service"], "additionalProperties": false,
            "properties": {
                "service": {"type": "string", "enum": ["postgresql", "redis", "memcached"]},
                "name": name, "as": attach_as,
            },
        },
        {
            "type": "object", "required": ["addon"], "additionalProperties": false,
            "properties": {"addon": name, "as": attach_as},
        },
    ]})
}

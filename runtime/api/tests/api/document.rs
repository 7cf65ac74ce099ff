//! The OpenAPI document describes exactly the routes that are served, in a form that tools accept.

use crate::support::Server;
use crate::support::client::call;
use serde_json::{Map, Value};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

fn paths(document: &Value) -> &Map<String, Value> {
    document["paths"].as_object().expect("paths")
}

/// A concrete path for a path template.
fn instance(template: &str) -> String {
    [
        ("{app}", "hello"),
        ("{version}", "v1"),
        ("{dyno}", "web.1"),
        ("{hostname}", "a.example"),
        ("{id}", "0123456789abcdef"),
        ("{addon}", "redis-1"),
        ("{slug}", &"0".repeat(64)),
    ]
    .iter()
    .fold(template.to_owned(), |path, (name, value)| {
        path.replace(name, value)
    })
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_route_is_served() {
    let server = Server::start().await;
    let served = call(&server, "GET", "/v1/openapi.json", &[], "")
        .await
        .ok(200);
    assert_eq!(served, api::document());
    assert_eq!(paths(&served).len(), 28);
    for (template, item) in paths(&served) {
        let path = instance(template);
        for method in METHODS {
            let answer = call(&server, &method.to_uppercase(), &path, &[], "").await;
            let documented = item.get(method).is_some();
            assert_eq!(
                answer.status != 405,
                documented,
                "{method} {template}: {}",
                answer.status
            );
            // Without a token, every operation that needs a token answers 401.
            let open = !template.starts_with("/v1/") || template == "/v1/openapi.json";
            if documented && !open {
                answer.refused(401, "unauthorized");
            }
        }
    }
}

#[test]
fn operations_have_ids_descriptions_and_all_their_failures() {
    let document = api::document();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in paths(&document) {
        for (method, operation) in item.as_object().expect("operations") {
            let context = format!("{method} {path}");
            let name = operation["operationId"].as_str().expect(&context);
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(
                operation["summary"].is_string() && operation["tags"].is_array(),
                "{context}"
            );
            let responses = operation["responses"].as_object().expect(&context);
            let has = |status: &str| responses.contains_key(status);
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{context}"
            );
            assert!(has("405") && has("421") && has("500"), "{context}");
            if path.starts_with("/v1/") && path != "/v1/openapi.json" {
                assert_eq!(
                    operation["security"][0]["token"],
                    Value::Array(vec![]),
                    "{context}"
                );
                assert!(
                    ["401", "403", "429", "503"].into_iter().all(has),
                    "{context}"
                );
            }
            if operation.get("requestBody").is_some() {
                assert_eq!(operation["requestBody"]["required"], true, "{context}");
                assert!(
                    ["400", "408", "409", "413", "415", "422"]
                        .into_iter()
                        .all(has),
                    "{context}"
                );
            }
            for named in path.split('/').filter(|part| part.starts_with('{')) {
                let name = named.trim_matches(['{', '}']);
                let all = operation["parameters"].as_array().expect(&context);
                let found = all.iter().find(|one| one["name"] == name).expect(&context);
                assert!(found["schema"]["pattern"].is_string(), "{context} {name}");
                assert!(has("404"), "{context}");
            }
        }
    }
}

#[test]
fn references_resolve_and_request_schemas_allow_no_unknown_fields() {
    let document = api::document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in &references {
        let place = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(place).is_some(), "{reference}");
    }
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    for request in [
        "NewApp",
        "AppChanges",
        "FormationChanges",
        "FormationUpdate",
        "NewDomain",
        "NewToken",
    ] {
        assert_eq!(schemas[request]["additionalProperties"], false, "{request}");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, found));
        }
        Value::Array(all) => all.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

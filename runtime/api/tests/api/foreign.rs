//! A token cannot tell things of another app from things that do not exist.
//!
//! Requests every operation of the document twice: with names of things that another app has, and with names that do
//! not exist. The two answers must be equal, except for the names. New routes are covered without a change here; a new
//! request body needs a line in `BODIES`.

use crate::addons::offering;
use crate::support::client::{Answer, call};
use crate::support::{Server, slug};
use control::access::Role;
use serde_json::{Value, json};
use testkit::servers::Memcached;

/// Request bodies by operation, with placeholders in braces. An operation may have several bodies.
const BODIES: [(&str, &str); 14] = [
    ("create_token", r#"{"name":"x","role":"read"}"#),
    ("upload_slug", "no slug"),
    ("create_app", r#"{"name":"{app}"}"#),
    ("change_app", r#"{"maintenance":true}"#),
    ("create_release", r#"{"slug":"{slug}"}"#),
    ("create_release", r#"{"slug":"sha256:{slug}"}"#),
    ("create_release", r#"{"rollback":"v1"}"#),
    ("change_config", r#"{"A":"1"}"#),
    (
        "change_formation",
        r#"{"updates":[{"type":"web","quantity":3}]}"#,
    ),
    ("run_dyno", r#"{"command":["task"]}"#),
    ("write_input", "text"),
    ("add_domain", r#"{"hostname":"new.example"}"#),
    ("create_addon", r#"{"addon":"{addon}"}"#),
    ("create_addon", r#"{"service":"memcached"}"#),
];

/// Values for the placeholders.
#[derive(Clone)]
struct Names {
    app: &'static str,
    slug: String,
    addon: &'static str,
    hostname: &'static str,
    token: String,
}

impl Names {
    fn nobodys() -> Names {
        Names {
            app: "nobody",
            slug: "0".repeat(64),
            addon: "no-cache",
            hostname: "no.example",
            token: "0".repeat(16),
        }
    }

    fn pairs(&self) -> [(&'static str, &str); 7] {
        [
            ("{app}", self.app),
            ("{slug}", &self.slug),
            ("{addon}", self.addon),
            ("{hostname}", self.hostname),
            ("{id}", &self.token),
            ("{version}", "v1"),
            ("{dyno}", "web.1"),
        ]
    }

    fn fill(&self, text: &str) -> String {
        let pairs = self.pairs();
        pairs.iter().fold(text.to_owned(), |text, (place, name)| {
            text.replace(place, name)
        })
    }

    /// Replaces the names in an answer, so that two answers can be compared.
    fn without_names(&self, text: &str) -> String {
        let pairs = self.pairs();
        let own = pairs[..5].iter();
        own.fold(text.to_owned(), |text, (place, name)| {
            text.replace(name, place)
        })
    }

    fn are_in(&self, text: &str) -> bool {
        self.pairs()[..5]
            .iter()
            .any(|(_, name)| text.contains(name))
    }
}

/// Two apps: `theirs` has one thing of each kind, `mine` has the token.
struct Stage {
    server: Server,
    theirs: Names,
    their_slug: Vec<u8>,
    _cache: Memcached,
}

impl Stage {
    async fn new() -> Stage {
        let cache = Memcached::start();
        let server = Server::start_with(offering(&cache)).await;
        let admin = server.admin.clone();
        let mut slugs = Vec::new();
        for app in ["theirs", "mine"] {
            let (id, bytes) = slug::with_task(app);
            server
                .put(&admin, &format!("/v1/slugs/{id}"), bytes.clone())
                .await
                .ok(201);
            server
                .post(&admin, "/v1/apps", &json!({ "name": app }))
                .await
                .ok(201);
            let releases = format!("/v1/apps/{app}/releases");
            server
                .post(&admin, &releases, &json!({ "slug": id }))
                .await
                .ok(201);
            server
                .get(&admin, &format!("{releases}/v1?wait=20"))
                .await
                .ok(200);
            slugs.push((id, bytes));
        }
        for (path, body) in [
            (
                "/v1/apps/theirs/addons",
                json!({"service": "memcached", "name": "their-cache"}),
            ),
            (
                "/v1/apps/theirs/domains",
                json!({"hostname": "their.example"}),
            ),
        ] {
            server.post(&admin, path, &body).await.ok(201);
        }
        let body = json!({"name": "their-ci", "role": "deploy", "app": "theirs"});
        let token = server.post(&admin, "/v1/tokens", &body).await.ok(201);
        let (slug, their_slug) = slugs.swap_remove(0);
        let theirs = Names {
            app: "theirs",
            slug: slug.trim_start_matches("sha256:").to_owned(),
            addon: "their-cache",
            hostname: "their.example",
            token: token["id"].as_str().expect("an id").to_owned(),
        };
        Stage {
            server,
            theirs,
            their_slug,
            _cache: cache,
        }
    }

    async fn ask(&self, token: &str, operation: &Operation, names: &Names) -> Answer {
        let bearer = format!("Bearer {token}");
        let media = match operation.id.as_str() {
            "upload_slug" => slugs::MEDIA_TYPE,
            "write_input" => "application/octet-stream",
            _ => "application/json",
        };
        let headers = [("authorization", bearer.as_str()), ("content-type", media)];
        let (path, body) = (names.fill(&operation.path), names.fill(&operation.body));
        call(&self.server, &operation.method, &path, &headers, body).await
    }

    /// Everything that the API shows of the other app, except values that change with time.
    async fn all_of_theirs(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            "",
            "/releases",
            "/config-vars",
            "/formation",
            "/domains",
            "/addons",
        ] {
            let path = format!("/v1/apps/theirs{path}");
            all.push(self.server.get(&self.server.admin, &path).await.ok(200));
        }
        all.push(
            self.server
                .get(&self.server.admin, "/v1/slugs")
                .await
                .ok(200),
        );
        all.push(
            self.server
                .get(&self.server.admin, "/v1/tokens")
                .await
                .ok(200),
        );
        all
    }
}

/// An operation of the document with one of its bodies.
struct Operation {
    id: String,
    method: String,
    path: String,
    body: String,
}

impl Operation {
    /// Whether the path or the body has a placeholder.
    fn names_something(&self) -> bool {
        self.path.contains('{') || self.body.contains("\":\"{") || self.body.contains(":{")
    }

    /// Whether a placeholder stands for anything other than an app.
    fn names_a_part(&self) -> bool {
        let parts = ["{slug}", "{addon}", "{hostname}"];
        let mentions = |part: &&str| self.path.contains(part) || self.body.contains(part);
        self.path.contains("{app}") && parts.iter().any(mentions)
    }
}

/// Every operation of the document that needs a token, with every body.
fn operations() -> Vec<Operation> {
    let document = api::document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["security"] == json!([]) {
                continue;
            }
            let id = operation["operationId"]
                .as_str()
                .expect("a name")
                .to_owned();
            let bodies: Vec<&str> = match operation.get("requestBody") {
                None => vec![""],
                Some(_) => BODIES
                    .iter()
                    .filter(|(of, _)| *of == id)
                    .map(|(_, body)| *body)
                    .collect(),
            };
            assert!(!bodies.is_empty(), "{id} takes a body: add one to BODIES");
            all.extend(bodies.into_iter().map(|body| Operation {
                id: id.clone(),
                method: method.to_uppercase(),
                path: path.clone(),
                body: body.to_owned(),
            }));
        }
    }
    all
}

#[tokio::test]
async fn things_of_another_app_are_answered_like_things_that_do_not_exist() {
    let stage = Stage::new().await;
    let before = stage.all_of_theirs().await;
    let (theirs, nobodys) = (&stage.theirs, Names::nobodys());
    let in_mine = |names: &Names| Names {
        app: "mine",
        ..names.clone()
    };
    let operations = operations();
    assert!(operations.len() > 35, "the document was read");
    for role in [Role::Read, Role::Deploy, Role::Admin] {
        let token = stage.server.token("me", role, Some("mine")).await;
        for operation in operations.iter().filter(|one| one.names_something()) {
            let mut pairs = vec![(theirs.clone(), nobodys.clone())];
            if operation.names_a_part() {
                // The caller's own app in the path, with a part of the other app.
                pairs.push((in_mine(theirs), in_mine(&nobodys)));
            }
            for (foreign, absent) in pairs {
                let there = stage.ask(&token, operation, &foreign).await;
                let absence = stage.ask(&token, operation, &absent).await;
                let Operation { id, path, body, .. } = operation;
                let context = format!("{role} {id} {} {body}: {}", foreign.fill(path), there.text);
                assert_eq!(there.status, absence.status, "{context}");
                assert_eq!(
                    foreign.without_names(&there.text),
                    absent.without_names(&absence.text),
                    "{context}"
                );
                let expected: &[u16] = match id.as_str() {
                    // The token cannot create an app of another name. Bytes that are not a slug are refused as such.
                    "create_app" => &[403],
                    "upload_slug" => &[403, 422],
                    // The caller's own app exists, but the role does not suffice.
                    _ if role == Role::Read && foreign.app == "mine" => &[403, 404],
                    _ => &[404],
                };
                assert!(
                    expected.contains(&there.status),
                    "{}: {context}",
                    there.status
                );
            }
        }
        for operation in operations.iter().filter(|one| !one.names_something()) {
            let answer = stage.ask(&token, operation, &nobodys).await;
            assert!(
                !theirs.are_in(&answer.text),
                "{role} {}: {}",
                operation.id,
                answer.text
            );
        }
    }
    assert_eq!(stage.all_of_theirs().await.len(), before.len());
    let after = stage.all_of_theirs().await;
    // Only the tokens of this test were added.
    assert_eq!(
        after[..7],
        before[..7],
        "nothing of the other app has changed"
    );
}

#[tokio::test]
async fn routes_without_a_token_name_nothing_of_any_app() {
    let stage = Stage::new().await;
    for path in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json"] {
        let answer = call(&stage.server, "GET", path, &[], "").await;
        assert!(
            !stage.theirs.are_in(&answer.text),
            "{path}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn an_app_may_release_a_slug_after_uploading_its_bytes() {
    let stage = Stage::new().await;
    let Stage { server, theirs, .. } = &stage;
    let (mine, colleague, stranger) = (
        server.token("mine", Role::Deploy, Some("mine")).await,
        server.token("colleague", Role::Read, Some("mine")).await,
        server.token("stranger", Role::Deploy, Some("other")).await,
    );
    let path = format!("/v1/slugs/{}", theirs.slug);
    server.get(&mine, &path).await.refused(404, "not_found");
    // 201, as for a new slug: the caller does not learn that another app has uploaded the slug.
    server
        .put(&mine, &path, stage.their_slug.clone())
        .await
        .ok(201);
    server
        .put(&mine, &path, stage.their_slug.clone())
        .await
        .ok(200);
    for token in [&mine, &colleague] {
        server.get(token, &path).await.ok(200);
        let list = server.get(token, "/v1/slugs").await;
        assert!(list.text.contains(&theirs.slug), "{}", list.text);
    }
    server.get(&stranger, &path).await.refused(404, "not_found");
    let body = json!({ "slug": theirs.slug });
    server
        .post(&mine, "/v1/apps/mine/releases", &body)
        .await
        .ok(201);
    // Uploads and tokens end with their app. They do not count for the next app of the same name.
    server.delete(&server.admin, "/v1/apps/mine").await.ok(204);
    server.get(&mine, &path).await.refused(401, "unauthorized");
    let body = json!({ "name": "mine" });
    server.post(&server.admin, "/v1/apps", &body).await.ok(201);
    let mine = server.token("next", Role::Deploy, Some("mine")).await;
    server.get(&mine, &path).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_idempotency_key_of_one_token_gives_another_token_no_answer() {
    let stage = Stage::new().await;
    let Stage { server, theirs, .. } = &stage;
    let mine = server.token("mine", Role::Deploy, Some("mine")).await;
    let body = json!({ "slug": theirs.slug }).to_string();
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", "the-same"),
        ];
        call(
            server,
            "POST",
            "/v1/apps/mine/releases",
            &headers,
            body.clone(),
        )
        .await
    };
    ask(&mine).await.refused(404, "slug_missing");
    let made = ask(&server.admin).await.ok(201);
    assert_eq!(made["version"], "v2");
    // The admin's release has made the slug visible to the app. The key of this caller is still unused.
    let own = ask(&mine).await.ok(201);
    assert_eq!(own["version"], "v3");
}

#[tokio::test]
async fn a_taken_name_is_refused_without_naming_its_owner() {
    let stage = Stage::new().await;
    let Stage { server, .. } = &stage;
    let mine = server.token("mine", Role::Deploy, Some("mine")).await;
    for (path, body, id) in [
        (
            "/v1/apps/mine/domains",
            json!({"hostname": "their.example"}),
            "hostname_taken",
        ),
        (
            "/v1/apps/mine/addons",
            json!({"service": "memcached", "name": "their-cache"}),
            "addon_exists",
        ),
    ] {
        let message = server.post(&mine, path, &body).await.refused(409, id);
        assert!(!message.contains("theirs"), "{message}");
    }
}

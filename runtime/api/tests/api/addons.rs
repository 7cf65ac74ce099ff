//! Add-ons over the API, with a real memcached: what is shown to whom, and what is refused.

use crate::support::Server;
use control::access::Role;
use control::addons::{AddonServers, MemcachedService as Offered};
use serde_json::{Value, json};
use testkit::servers::Memcached;

/// The add-on services of a server with this cache.
pub(crate) fn offering(cache: &Memcached) -> AddonServers {
    let address = cache.address().parse().expect("an address");
    let offered = Offered::new(vec![address]).expect("one server");
    AddonServers::default().with_memcached(offered)
}

async fn with_apps(cache: &Memcached, apps: &[&str]) -> Server {
    let server = Server::start_with(offering(cache)).await;
    for app in apps {
        let body = json!({ "name": app });
        server.post(&server.admin, "/v1/apps", &body).await.ok(201);
    }
    server
}

#[tokio::test]
async fn an_add_on_is_created_shown_shared_and_destroyed() {
    let cache = Memcached::start();
    let server = with_apps(&cache, &["hello", "other"]).await;
    let (own, others) = ("/v1/apps/hello/addons", "/v1/apps/other/addons");
    let body = json!({"service": "memcached", "as": "CACHE"});
    let made = server.post(&server.admin, own, &body).await.ok(201);
    let name = made["name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("memcached-"), "{name}");
    assert_eq!(made["as"], "CACHE");
    assert_eq!(made["config_names"], json!(["CACHE_SERVERS"]));
    assert_eq!(
        (&made["state"], &made["owner"]),
        (&json!("ready"), &json!("hello"))
    );
    assert_eq!(made["created_by"], "admin");

    let share = json!({ "addon": name });
    let shared = server.post(&server.admin, others, &share).await.ok(201);
    assert_eq!(
        shared["as"], "MEMCACHED",
        "what its service is called by default"
    );
    let list = server.get(&server.admin, own).await.ok(200);
    assert_eq!(list["items"][0]["shared_with"], json!(["other"]));
    let vars = server
        .get(&server.admin, "/v1/apps/other/config-vars")
        .await;
    assert_eq!(vars.ok(200), json!({"MEMCACHED_SERVERS": cache.address()}));

    // For the token of one app, the other app does not exist.
    let theirs = server.token("theirs", Role::Deploy, Some("other")).await;
    let seen = server.get(&theirs, others).await.ok(200);
    assert_eq!(seen["items"][0]["owner"], Value::Null);
    assert_eq!(seen["items"][0]["shared_with"], json!([]));
    let body = json!({"service": "memcached", "as": "MORE"});
    let more = server.post(&server.admin, own, &body).await.ok(201);
    for unseen in [more["name"].as_str().expect("a name"), "nothing-there"] {
        let refused = server
            .post(&theirs, others, &json!({ "addon": unseen }))
            .await;
        refused.refused(404, "no_such_addon");
    }

    // Detached from the other app, then destroyed by its owner.
    let path = |app: &str| format!("/v1/apps/{app}/addons/{name}");
    server.delete(&theirs, &path("other")).await.ok(204);
    server
        .delete(&theirs, &path("other"))
        .await
        .refused(404, "not_found");
    server.delete(&server.admin, &path("hello")).await.ok(204);
    server
        .delete(&server.admin, &path("hello"))
        .await
        .refused(404, "not_found");
    let list = server.get(&server.admin, own).await.ok(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    server.delete(&server.admin, "/v1/apps/hello").await.ok(204);
    // Its name is free again once it is gone.
    for _ in 0..2 {
        let again = json!({"service": "memcached", "name": name});
        server.post(&server.admin, others, &again).await.ok(201);
        server.delete(&server.admin, &path("other")).await.ok(204);
    }
}

#[tokio::test]
async fn invalid_add_on_requests_are_refused_and_create_nothing() {
    let mut cache = Memcached::start();
    let server = with_apps(&cache, &["hello"]).await;
    let (own, vars) = ("/v1/apps/hello/addons", "/v1/apps/hello/config-vars");
    for (body, id) in [
        (json!({}), "invalid_value"),
        (json!({"service": "mysql"}), "invalid_value"),
        (
            json!({"service": "memcached", "addon": "x-1"}),
            "invalid_value",
        ),
        (json!({"addon": "x-1", "name": "y-1"}), "invalid_value"),
        (
            json!({"service": "memcached", "as": "lower"}),
            "invalid_value",
        ),
        (
            json!({"service": "memcached", "name": "Upper"}),
            "invalid_value",
        ),
        (json!({"service": "memcached", "size": 3}), "invalid_body"),
        (json!({"service": null}), "invalid_body"),
        (json!({"service": "redis"}), "service_not_offered"),
    ] {
        let refused = server.post(&server.admin, own, &body).await;
        refused.refused(422, id);
    }
    cache.stop();
    let body = json!({"service": "memcached"});
    let refused = server.post(&server.admin, own, &body).await;
    assert!(refused.header("retry-after").is_some());
    refused.refused(503, "service_unreachable");
    cache.restart();
    server.post(&server.admin, own, &body).await.ok(201);
    let taken = server.post(&server.admin, own, &body).await;
    taken.refused(409, "attached_already");
    let unset = json!({"MEMCACHED_SERVERS": null});
    let refused = server.patch(&server.admin, vars, &unset).await;
    refused.refused(409, "config_owned");
    let set = json!({"MY_SERVERS": "a:1"});
    server.patch(&server.admin, vars, &set).await.ok(200);
    let body = json!({"service": "memcached", "as": "MY"});
    let taken = server.post(&server.admin, own, &body).await;
    taken.refused(409, "config_taken");
    for number in 1..20 {
        let body = json!({"service": "memcached", "as": format!("N{number}")});
        server.post(&server.admin, own, &body).await.ok(201);
    }
    let body = json!({"service": "memcached", "as": "ENOUGH"});
    let refused = server.post(&server.admin, own, &body).await;
    refused.refused(409, "too_many_addons");
    let list = server.get(&server.admin, own).await.ok(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(20));
}

//! Redis: a user with a prefix, or a database number where there are no users.

use testkit::http::text;
use testkit::servers::Redis;
use testkit::{Rig, eventually};

use crate::offer::{Offer, addons, destroy, new_app, var};

/// What an app's own user must not do, since it concerns others or the server.
const FORBIDDEN: [&[&str]; 21] = [
    &["GET", "others"],
    &["SET", "others", "1"],
    &["KEYS", "*"],
    &["SCAN", "0"],
    &["RANDOMKEY"],
    &["DBSIZE"],
    &["FLUSHDB"],
    &["FLUSHALL"],
    &["SELECT", "1"],
    &["SWAPDB", "0", "1"],
    &["CONFIG", "GET", "*"],
    &["ACL", "LIST"],
    &["CLIENT", "LIST"],
    &["CLIENT", "KILL", "TYPE", "normal"],
    &["CLIENT", "TRACKING", "ON", "BCAST"],
    &["MONITOR"],
    &["PUBLISH", "others", "x"],
    &["PUBSUB", "CHANNELS"],
    &["FUNCTION", "LIST"],
    &["SCRIPT", "FLUSH"],
    &["EVAL", "return redis.call('GET', 'others')", "0"],
];

#[test]
fn a_user_has_its_prefix_and_no_more() {
    let mut redis = Redis::start();
    redis.ask(&["SET", "others", "secret"]).unwrap();
    let rig = Rig::new();
    let server = Offer::default().with("REDIS", redis.url()).start(&rig);
    server.make("shop", &rig.slug("good", "one"));
    new_app(&server, "other");
    server
        .dyno(&["addons", "create", "redis", "-a", "shop", "--as", "CACHE"])
        .ok();
    server
        .dyno(&["addons", "create", "redis", "-a", "other"])
        .ok();
    let url = server.variable("shop", "CACHE_URL");
    let prefix = server.variable("shop", "CACHE_PREFIX");
    assert_ne!(prefix, var(&server, "other", "REDIS_PREFIX"));

    let key = format!("{prefix}k");
    let ask = |words: &[&str]| Redis::ask_as(&url, words);
    assert_eq!(ask(&["SET", &key, "7"]), Ok("OK".into()));
    assert_eq!(ask(&["GET", &key]), Ok("7".into()));
    assert_eq!(ask(&["SELECT", "0"]), Ok("OK".into()));
    assert_eq!(ask(&["CLIENT", "SETNAME", "x"]), Ok("OK".into()));
    let script = ["EVAL", "return redis.call('GET', KEYS[1])", "1", &key];
    assert_eq!(ask(&script), Ok("7".into()));
    for words in [
        &["PING"][..],
        &["HELLO", "3"],
        &["INFO"],
        &["PUBLISH", &key, "x"],
    ] {
        assert!(ask(words).is_ok(), "{words:?}: {:?}", ask(words));
    }
    for words in FORBIDDEN {
        let refused = ask(words);
        assert!(refused.is_err(), "{words:?}: {refused:?}");
    }
    let other = var(&server, "other", "REDIS_URL");
    assert!(Redis::ask_as(&other, &["GET", &key]).is_err());

    // The server's restart takes nothing away.
    redis.stop();
    redis.start_again();
    assert_eq!(Redis::ask_as(&url, &["GET", &key]), Ok("7".into()));

    // Very many keys, one of them of somebody whose prefix begins alike.
    let fill = format!("for i=1,30000 do redis.call('SET', '{prefix}'..i, i) end");
    redis.ask(&["EVAL", &fill, "0"]).unwrap();
    let alike = prefix.replace(':', "x:k");
    redis.ask(&["SET", &alike, "1"]).unwrap();
    destroy(&server, "shop", "CACHE").ok();
    assert_eq!(redis.ask(&["DBSIZE"]), Ok("2".into()));
    assert!(Redis::ask_as(&url, &["PING"]).is_err());
    assert!(Redis::ask_as(&other, &["PING"]).is_ok());
    server.wait_until_serving("shop", "v3");
    assert_eq!(server.app("shop", "/env/CACHE_URL").status, 404);
    assert!(server.stop().success());
}

#[test]
fn users_that_a_server_forgets_are_made_again() {
    let mut redis = Redis::forgetful();
    let rig = Rig::new();
    let server = Offer::default().with("REDIS", redis.url()).start(&rig);
    new_app(&server, "shop");
    server
        .dyno(&["addons", "create", "redis", "-a", "shop"])
        .ok();
    let url = var(&server, "shop", "REDIS_URL");
    let key = format!("{}k", var(&server, "shop", "REDIS_PREFIX"));
    assert_eq!(Redis::ask_as(&url, &["SET", &key, "7"]), Ok("OK".into()));
    redis.stop();
    redis.start_again();
    eventually("the user is back", || {
        Redis::ask_as(&url, &["GET", &key]) == Ok("7".into())
    });
    // Forgotten and destroyed at once: its keys go all the same.
    redis.stop();
    redis.start_again();
    destroy(&server, "shop", "REDIS").ok();
    assert_eq!(redis.ask(&["DBSIZE"]), Ok("0".into()));
    assert!(server.stop().success());
}

#[test]
fn without_users_each_has_a_database_number() {
    let redis = Redis::without_users();
    let rig = Rig::new();
    // Somebody uses the first one.
    let second = format!("{}/1", redis.url());
    Redis::ask_as(&second, &["SET", "theirs", "1"]).unwrap();
    let server = Offer::default().with("REDIS", redis.url()).start(&rig);
    for app in ["shop", "other"] {
        new_app(&server, app);
        server.dyno(&["addons", "create", "redis", "-a", app]).ok();
        assert_eq!(var(&server, app, "REDIS_PREFIX"), "");
    }
    let (own, other) = (
        var(&server, "shop", "REDIS_URL"),
        var(&server, "other", "REDIS_URL"),
    );
    assert!(
        own.ends_with("/2") && other.ends_with("/3"),
        "{own} {other}"
    );
    for url in [&own, &other] {
        assert_eq!(Redis::ask_as(url, &["SET", "k", url]), Ok("OK".into()));
    }
    let name = text(&addons(&server, "shop")[0], "name").to_owned();
    server
        .dyno(&["addons", "destroy", &name, "-a", "shop", "--confirm", &name])
        .ok();
    assert_eq!(Redis::ask_as(&own, &["DBSIZE"]), Ok("0".into()));
    assert_eq!(Redis::ask_as(&other, &["GET", "k"]), Ok(other.clone()));
    assert_eq!(Redis::ask_as(&second, &["DBSIZE"]), Ok("1".into()));
    assert!(server.stop().success());
}

//! Redis add-ons: a user with a key prefix, or a database number on servers without users.

use testkit::http::json_text;
use testkit::servers::Redis;
use testkit::{ServerRig, wait_until};

use crate::offering::{Offer, addons, destroy, new_app, var};

/// Commands that the user of an app must not run, because they affect other users or the server.
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
fn a_user_can_use_only_keys_with_its_prefix() {
    let mut redis = Redis::start();
    redis.run_command(&["SET", "others", "secret"]).unwrap();
    let rig = ServerRig::new();
    let server = Offer::default().with("REDIS", redis.url()).start(&rig);
    server.create_app("shop", &rig.build_slug("good", "one"));
    new_app(&server, "other");
    server
        .run(&["addons", "create", "redis", "-a", "shop", "--as", "CACHE"])
        .success();
    server
        .run(&["addons", "create", "redis", "-a", "other"])
        .success();
    let url = server.app_variable("shop", "CACHE_URL");
    let prefix = server.app_variable("shop", "CACHE_PREFIX");
    assert_ne!(prefix, var(&server, "other", "REDIS_PREFIX"));

    let key = format!("{prefix}k");
    let ask = |words: &[&str]| Redis::run_command_as(&url, words);
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
    assert!(Redis::run_command_as(&other, &["GET", &key]).is_err());

    // A restart of the server keeps the users.
    redis.stop();
    redis.restart();
    assert_eq!(Redis::run_command_as(&url, &["GET", &key]), Ok("7".into()));

    // Many keys, one of them of another user whose prefix starts with the same letters.
    let fill = format!("for i=1,30000 do redis.call('SET', '{prefix}'..i, i) end");
    redis.run_command(&["EVAL", &fill, "0"]).unwrap();
    let alike = prefix.replace(':', "x:k");
    redis.run_command(&["SET", &alike, "1"]).unwrap();
    destroy(&server, "shop", "CACHE").success();
    assert_eq!(redis.run_command(&["DBSIZE"]), Ok("2".into()));
    assert!(Redis::run_command_as(&url, &["PING"]).is_err());
    assert!(Redis::run_command_as(&other, &["PING"]).is_ok());
    server.wait_until_serving("shop", "v3");
    assert_eq!(server.app_request("shop", "/env/CACHE_URL").status, 404);
    assert!(server.stop().success());
}

#[test]
fn users_forgotten_by_the_server_are_created_again() {
    let mut redis = Redis::start_without_user_file();
    let rig = ServerRig::new();
    let server = Offer::default().with("REDIS", redis.url()).start(&rig);
    new_app(&server, "shop");
    server
        .run(&["addons", "create", "redis", "-a", "shop"])
        .success();
    let url = var(&server, "shop", "REDIS_URL");
    let key = format!("{}k", var(&server, "shop", "REDIS_PREFIX"));
    assert_eq!(
        Redis::run_command_as(&url, &["SET", &key, "7"]),
        Ok("OK".into())
    );
    redis.stop();
    redis.restart();
    wait_until("the user is back", || {
        Redis::run_command_as(&url, &["GET", &key]) == Ok("7".into())
    });
    // The user is missing while the add-on is destroyed: the keys are removed all the same.
    redis.stop();
    redis.restart();
    destroy(&server, "shop", "REDIS").success();
    assert_eq!(redis.run_command(&["DBSIZE"]), Ok("0".into()));
    assert!(server.stop().success());
}

#[test]
fn without_users_each_add_on_has_a_database_number() {
    let redis = Redis::start_without_users();
    let rig = ServerRig::new();
    // Database number 1 is in use.
    let second = format!("{}/1", redis.url());
    Redis::run_command_as(&second, &["SET", "theirs", "1"]).unwrap();
    let server = Offer::default().with("REDIS", redis.url()).start(&rig);
    for app in ["shop", "other"] {
        new_app(&server, app);
        server
            .run(&["addons", "create", "redis", "-a", app])
            .success();
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
        assert_eq!(
            Redis::run_command_as(url, &["SET", "k", url]),
            Ok("OK".into())
        );
    }
    let name = json_text(&addons(&server, "shop")[0], "name").to_owned();
    server
        .run(&["addons", "destroy", &name, "-a", "shop", "--confirm", &name])
        .success();
    assert_eq!(Redis::run_command_as(&own, &["DBSIZE"]), Ok("0".into()));
    assert_eq!(
        Redis::run_command_as(&other, &["GET", "k"]),
        Ok(other.clone())
    );
    assert_eq!(Redis::run_command_as(&second, &["DBSIZE"]), Ok("1".into()));
    assert!(server.stop().success());
}

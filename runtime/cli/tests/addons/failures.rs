//! Add-ons that cannot be created or destroyed: clear messages without secrets, and no leftovers.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use testkit::servers::{Memcached, PASSWORD, Postgres, Redis};
use testkit::{Server, ServerRig, wait_until};

use crate::offering::{Offer, addons, destroy, new_app, var, vars};

const NOTHING: [Value; 0] = [];

/// Requests an add-on, which must fail. Returns the error output.
#[track_caller]
fn refused(server: &Server<'_>, words: &[&str]) -> String {
    let words = [&["addons", "create"], words, &["-a", "shop"]].concat();
    let said = server.run(&words).failure().to_owned();
    assert_eq!(addons(server, "shop"), NOTHING, "{said}");
    assert_eq!(vars(server, "shop"), json!({}));
    assert!(!said.contains(PASSWORD), "{said}");
    said
}

/// A database or user of another owner with the same name on the service is not touched.
#[track_caller]
fn assert_names_of_others_are_refused(server: &Server<'_>, postgres: &Postgres, redis: &Redis) {
    for theirs in ["create role dyno_mine", "create database dyno_yours"] {
        postgres.run_sql(theirs).unwrap();
    }
    redis
        .run_command(&["ACL", "SETUSER", "dyno_mine", "on", ">theirs"])
        .unwrap();
    for (service, what) in [
        ("postgresql", "a role dyno_mine"),
        ("redis", "a user dyno_mine"),
    ] {
        let said = refused(server, &[service, "--name", "mine"]);
        assert!(said.contains(what) && said.contains("--name"), "{said}");
    }
    let said = refused(server, &["postgresql", "--name", "yours"]);
    assert!(said.contains("a database dyno_yours"), "{said}");
    let roles =
        "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname like 'dyno%'";
    assert_eq!(postgres.run_sql(roles), Ok("dyno_mine".into()));
    assert!(
        redis
            .run_command(&["ACL", "LIST"])
            .unwrap()
            .contains("user dyno_mine on")
    );
}

/// The error for a wrong or unprivileged login does not contain the password.
#[track_caller]
fn assert_wrong_and_weak_logins_are_refused(rig: &ServerRig, postgres: &Postgres, redis: &Redis) {
    postgres
        .run_sql(&format!("create role weak login password '{PASSWORD}'"))
        .unwrap();
    redis
        .run_command(&[
            "ACL",
            "SETUSER",
            "weak",
            "on",
            &format!(">{PASSWORD}"),
            "+ping",
        ])
        .unwrap();
    let weak = |url: String| url.replace("admin:", "weak:").replace("//:", "//weak:");
    let wrong = |url: String| url.replace(PASSWORD, "operators-wrong-secret");
    for (change, says) in [
        (
            &wrong as &dyn Fn(String) -> String,
            ["refuses the platform's login"; 2],
        ),
        (
            &weak,
            [
                "permission denied to create role",
                "refuses the platform's login",
            ],
        ),
    ] {
        let offer = Offer::default()
            .with("POSTGRESQL", change(postgres.url()))
            .with("REDIS", change(redis.url()));
        let server = offer.start(rig);
        for (service, says) in ["postgresql", "redis"].into_iter().zip(says) {
            let said = refused(&server, &[service]);
            assert!(
                said.contains(says) && !said.contains("wrong-secret"),
                "{said}"
            );
        }
        let log = server.read_log("shop") + &server.process.lines().join("\n");
        assert!(
            !log.contains(PASSWORD) && !log.contains("wrong-secret"),
            "{log}"
        );
        assert!(server.stop().success());
    }
}

#[test]
fn a_failing_service_is_named_and_no_add_on_is_created() {
    let (mut postgres, mut redis) = (Postgres::start(), Redis::start());
    let rig = ServerRig::new();
    let offer = Offer::default()
        .with("POSTGRESQL", postgres.url())
        .with("REDIS", redis.url());
    let server = offer.start(&rig);
    new_app(&server, "shop");
    let said = refused(&server, &["memcached"]);
    assert!(
        said.contains("offers no memcached") && said.contains("[services.memcached]"),
        "{said}"
    );

    // The service is down.
    postgres.stop();
    redis.stop();
    for (service, port) in [("postgresql", postgres.port()), ("redis", redis.port())] {
        let said = refused(&server, &[service]);
        let place = format!("the {service} server at 127.0.0.1:{port} cannot be reached");
        assert!(said.contains(&place) && said.contains("refused"), "{said}");
    }
    postgres.restart();
    redis.restart();

    assert_names_of_others_are_refused(&server, &postgres, &redis);
    assert!(server.stop().success());
    assert_wrong_and_weak_logins_are_refused(&rig, &postgres, &redis);
}

#[test]
fn a_failed_destruction_is_completed_when_the_service_is_back() {
    let mut postgres = Postgres::start();
    let rig = ServerRig::new();
    let offer = Offer::default().with("POSTGRESQL", postgres.url());
    let server = offer.start(&rig);
    new_app(&server, "shop");
    server
        .run(&["addons", "create", "postgresql", "-a", "shop"])
        .success();
    let url = var(&server, "shop", "DATABASE_URL");
    postgres.stop();
    let said = destroy(&server, "shop", "DATABASE");
    assert!(said.stderr.contains("destroying"), "{said:?}");
    assert_eq!(said.code, Some(0));
    assert_eq!(vars(&server, "shop"), json!({}));
    assert_eq!(addons(&server, "shop")[0]["state"], "destroying");
    // The name can be used again when the service is back.
    server.kill();
    let server = offer.start(&rig);
    assert_eq!(addons(&server, "shop")[0]["state"], "destroying");
    postgres.restart();
    wait_until("it is gone", || addons(&server, "shop").is_empty());
    assert!(Postgres::run_sql_as(&url, "select 1").is_err());
    let names = "select count(*) from pg_roles where rolname like 'dyno%'";
    assert_eq!(postgres.run_sql(names), Ok("0".into()));
    assert!(server.stop().success());
}

#[test]
fn a_repeated_request_creates_one_add_on() {
    let memcached = Memcached::start();
    let rig = ServerRig::new();
    let server = Offer::default()
        .with("MEMCACHED", memcached.address())
        .start(&rig);
    new_app(&server, "shop");
    let body = json!({ "service": "memcached" }).to_string();
    let head = [
        "Host: api.localhost".to_owned(),
        "Connection: close".to_owned(),
        format!("Authorization: Bearer {}", rig.admin_token()),
        "Content-Type: application/json".to_owned(),
        "Idempotency-Key: once".to_owned(),
    ];
    let names: Vec<String> = (0..2)
        .map(|_| {
            let request = testkit::http::encode_request(
                "POST",
                "/v1/apps/shop/addons",
                &head,
                body.as_bytes(),
            );
            let reply = testkit::http::send_request(server.api, &request).unwrap();
            testkit::http::json_text(&reply.json_of_status(201), "name").to_owned()
        })
        .collect();
    assert_eq!(names[0], names[1]);
    assert_eq!(addons(&server, "shop").len(), 1);
    assert!(server.stop().success());
}

/// Service URLs from a file are never printed, and an invalid line is not quoted.
#[test]
fn service_urls_of_the_operator_are_never_shown() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let rig = ServerRig::new();
    let file = rig.path("dyno.conf");
    let settings = format!(
        "grace = \"5s\"\n[services.postgresql]\nurl = \"{}\"\nconnections = 3\n[services.redis]\nurl = \"{}\"\n",
        postgres.url(),
        redis.url()
    );
    fs::write(&file, &settings).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let flag = file.to_str().unwrap().to_owned();
    let server = rig.start_with_flags(&["--config", &flag]);
    new_app(&server, "shop");
    for service in ["postgresql", "redis"] {
        server
            .run(&["addons", "create", service, "-a", "shop"])
            .success();
    }
    let limit = "select rolconnlimit from pg_roles where rolname like 'dyno%'";
    assert_eq!(postgres.run_sql(limit), Ok("3".into()));
    let passwords = ["DATABASE_URL", "REDIS_URL"].map(|name| {
        let url = var(&server, "shop", name);
        url.split([':', '@']).nth(2).unwrap().to_owned()
    });
    let mut told = server.get_json("/v1/apps/shop/addons").to_string();
    told += &server.get_json("/v1/apps/shop").to_string();
    told += &server.request_without_token("GET", "/metrics").text();
    told += &server.run(&["addons", "-a", "shop", "--json"]).stdout;
    told += &server.read_log("shop");
    let said = destroy(&server, "shop", "REDIS");
    told += &(said.stdout + &said.stderr);
    told += &server.process.lines().join("\n");
    let environment = fs::read(format!("/proc/{}/cmdline", server.process.process_id())).unwrap();
    told += &String::from_utf8_lossy(&environment);
    for secret in passwords.iter().map(String::as_str).chain([PASSWORD]) {
        assert!(!told.contains(secret), "{secret} is told: {told}");
        for entry in fs::read_dir(rig.data_folder()).unwrap().flatten() {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{} has a secret", entry.path().display());
        }
    }
    assert!(!server.process.lines().join("\n").contains("chmod"));
    assert!(server.stop().success());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let server = rig.start_with_flags(&["--config", &flag]);
    assert!(server.process.lines().join("\n").contains("chmod 600"));
    assert!(server.stop().success());
    for wrong in [
        settings.replace("connections = 3", "connections = three"),
        settings.replace("url = \"postgres", "url = \"mysql"),
        settings.replace("url = \"redis:", "url = \"rediss:"),
        settings
            .replace("connections = 3\n", "")
            .replace("/postgres\"", "/postgres"),
    ] {
        fs::write(&file, wrong).unwrap();
        let said =
            testkit::run_command(&mut rig.serve_command(&rig.data_folder(), &["--config", &flag]));
        let error = said.failure();
        assert!(
            error.contains("dyno.conf") || error.contains("[services."),
            "{error}"
        );
        assert!(!error.contains(PASSWORD), "{error}");
    }
}

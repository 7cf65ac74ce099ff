//! `kill -9` of the platform while it creates or destroys an add-on: before, between and after the statements, all of
//! which still reach the database server. The next start of the platform completes the change.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;

use serde_json::{Value, json};
use testkit::servers::{Postgres, Redis};
use testkit::{Server, ServerRig, wait_until};

use crate::breaking_proxy::Proxy;
use crate::offering::{Offer, addons, new_app, var, vars, wait_until_settled};

/// Number of chunks between two kill points, unless `DYNO_TEST_STRIDE` sets another.
const STRIDE: usize = 4;
/// Minimum number of kill points: fewer mean that the proxy saw no traffic.
const PLACES_MIN: usize = 3;

fn stride() -> usize {
    let said = std::env::var("DYNO_TEST_STRIDE").ok();
    said.map_or(STRIDE, |said| said.parse().unwrap())
}

/// A service behind a proxy.
struct Behind<'a> {
    service: &'static str,
    proxy: &'a Proxy,
    offer: Offer,
    /// The add-ons' databases or users on the service.
    left: &'a dyn Fn() -> String,
    /// Whether an app can log in with a URL.
    works: &'a dyn Fn(&str) -> bool,
}

impl Behind<'_> {
    fn url(&self, server: &Server<'_>) -> String {
        let name = match self.service {
            "postgresql" => "DATABASE_URL",
            _ => "REDIS_URL",
        };
        var(server, "shop", name)
    }

    fn create(&self, server: &Server<'_>, name: &str) -> bool {
        let body = json!({ "service": self.service, "name": name });
        let reply = server.try_request("POST", "/v1/apps/shop/addons", &body);
        reply.is_ok_and(|reply| reply.status == 201)
    }

    fn destroy(&self, server: &Server<'_>, name: &str) -> bool {
        let path = format!("/v1/apps/shop/addons/{name}");
        let reply = server.try_request("DELETE", &path, &Value::Null);
        reply.is_ok_and(|reply| reply.status == 204)
    }

    fn expect_nothing(&self, server: &Server<'_>) {
        assert_eq!(addons(server, "shop"), [Value::Null; 0]);
        assert_eq!(vars(server, "shop"), json!({}));
        assert_eq!((self.left)(), "", "something is left");
    }

    /// Kills the platform at each kill point while it creates an add-on.
    fn killed_while_creating(&self) {
        let rig = ServerRig::new();
        let server = self.offer.start(&rig);
        new_app(&server, "shop");
        server.kill();
        for place in 0.. {
            let server = self.offer.start(&rig);
            let name = format!("made-{place}");
            self.proxy
                .kill_after(place * stride(), server.process.process_id());
            let made = self.create(&server, &name);
            if !self.proxy.disarm() {
                assert!(made, "nobody was in the way");
                assert!(place >= PLACES_MIN, "only {place} places");
                assert!(self.destroy(&server, &name));
                self.expect_nothing(&server);
                assert!(server.stop().success());
                return;
            }
            // The reply may have left before the kill: the session with the database ends after the reply.
            server.kill();
            let server = self.offer.start(&rig);
            wait_until_settled(&server, "shop");
            assert_eq!(addons(&server, "shop").len(), 1, "place {place}");
            let url = self.url(&server);
            assert!((self.works)(&url), "place {place}");
            assert!(self.destroy(&server, &name));
            self.expect_nothing(&server);
            server.kill();
        }
    }

    /// Kills the platform at each kill point while it destroys an add-on.
    fn killed_while_destroying(&self) {
        let rig = ServerRig::new();
        let server = self.offer.start(&rig);
        new_app(&server, "shop");
        server.kill();
        for place in 0.. {
            let server = self.offer.start(&rig);
            let name = format!("gone-{place}");
            assert!(self.create(&server, &name));
            let url = self.url(&server);
            assert!((self.works)(&url));
            self.proxy
                .kill_after(place * stride(), server.process.process_id());
            let gone = self.destroy(&server, &name);
            if !self.proxy.disarm() {
                assert!(gone, "nobody was in the way");
                assert!(place >= PLACES_MIN, "only {place} places");
                self.expect_nothing(&server);
                assert!(server.stop().success());
                return;
            }
            server.kill();
            let server = self.offer.start(&rig);
            wait_until_settled(&server, "shop");
            self.expect_nothing(&server);
            assert!(!(self.works)(&url));
            server.kill();
        }
    }
}

fn address(port: u16) -> String {
    SocketAddr::from(([127, 0, 0, 1], port)).to_string()
}

fn with_postgresql(test: impl FnOnce(&Behind<'_>)) {
    let postgres = Postgres::start();
    let proxy = Proxy::to(postgres.port());
    let left = || {
        let names = "select rolname from pg_roles where rolname like 'dyno%' \
                     union all select datname from pg_database where datname like 'dyno%'";
        postgres.run_sql(names).unwrap()
    };
    let works = |url: &str| Postgres::run_sql_as(url, "create table t (); drop table t").is_ok();
    test(&Behind {
        service: "postgresql",
        proxy: &proxy,
        offer: Offer::default()
            .with("POSTGRESQL", postgres.url_at(proxy.port()))
            .with("POSTGRESQL_REACH", address(postgres.port())),
        left: &left,
        works: &works,
    });
}

fn with_redis(test: impl FnOnce(&Behind<'_>)) {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let left = || {
        let users = redis.run_command(&["ACL", "USERS"]).unwrap();
        let users = users.lines().filter(|user| *user != "default");
        let keys = redis.run_command(&["KEYS", "*"]).unwrap();
        users
            .chain(keys.lines())
            .collect::<Vec<_>>()
            .join(" ")
            .trim()
            .to_owned()
    };
    let works = |url: &str| {
        // `redis://dyno_NAME:…`
        let user = url
            .trim_start_matches("redis://")
            .split(':')
            .next()
            .unwrap();
        let name = user.trim_start_matches("dyno_").replace('_', "-");
        Redis::run_command_as(url, &["SET", &format!("{name}:k"), "1"]).is_ok()
    };
    test(&Behind {
        service: "redis",
        proxy: &proxy,
        offer: Offer::default()
            .with("REDIS", redis.url_at(proxy.port()))
            .with("REDIS_REACH", address(redis.port())),
        left: &left,
        works: &works,
    });
}

/// A statement of a killed platform that still waits for a lock must not run later.
#[test]
fn a_waiting_statement_of_a_killed_server_is_cancelled_by_the_next() {
    let postgres = Postgres::start();
    let rig = ServerRig::new();
    let offer = Offer::default().with("POSTGRESQL", postgres.url());
    let server = offer.start(&rig);
    new_app(&server, "shop");
    let waiting = |count: &str| {
        let waits = "select count(*) from pg_stat_activity where query like 'CREATE DATABASE%' \
                     and wait_event_type = 'Lock'";
        wait_until("statements wait", || {
            postgres.run_sql(waits) == Ok(count.into())
        });
    };
    let mut lock = postgres.start_session();
    let mut orders = lock.stdin.take().unwrap();
    writeln!(orders, "begin; lock table pg_database in share mode;").unwrap();
    let locked = "select count(*) from pg_locks where relation = 'pg_database'::regclass \
                  and mode = 'ShareLock' and granted";
    wait_until("the lock is held", || {
        postgres.run_sql(locked) == Ok("1".into())
    });
    let body = json!({ "service": "postgresql" });
    let first = thread::scope(|scope| {
        let made = scope.spawn(|| {
            server
                .try_request("POST", "/v1/apps/shop/addons", &body)
                .is_ok()
        });
        waiting("1");
        let session = "select pid from pg_stat_activity where query like 'CREATE DATABASE%'";
        let first = postgres.run_sql(session).unwrap();
        server.process.send_signal("KILL");
        assert!(!made.join().unwrap());
        first
    });
    server.kill();
    let server = offer.start(&rig);
    let alive = format!("select count(*) from pg_stat_activity where pid = {first}");
    wait_until("the first session has gone", || {
        postgres.run_sql(&alive) == Ok("0".into())
    });
    waiting("1");
    writeln!(orders, "commit;").unwrap();
    drop(orders);
    lock.wait().unwrap();
    wait_until_settled(&server, "shop");
    let url = var(&server, "shop", "DATABASE_URL");
    assert!(Postgres::run_sql_as(&url, "create table t ()").is_ok());
    assert!(server.stop().success());
}

#[test]
fn a_database_is_created_in_spite_of_a_kill_at_any_point() {
    with_postgresql(|behind| behind.killed_while_creating());
}

#[test]
fn a_database_is_removed_in_spite_of_a_kill_at_any_point() {
    with_postgresql(|behind| behind.killed_while_destroying());
}

#[test]
fn a_user_is_created_in_spite_of_a_kill_at_any_point() {
    with_redis(|behind| behind.killed_while_creating());
}

#[test]
fn a_user_is_removed_in_spite_of_a_kill_at_any_point() {
    with_redis(|behind| behind.killed_while_destroying());
}

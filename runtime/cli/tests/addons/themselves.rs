//! The servers that tests use: they start, keep what they have over a restart, and end.

use testkit::servers::{Memcached, Postgres, Redis};

#[test]
fn postgresql_keeps_its_rows_over_a_restart() {
    let mut server = Postgres::start();
    server.run_sql("create table t as select 7 as n").unwrap();
    server.stop();
    assert!(server.run_sql("select n from t").is_err(), "it is down");
    server.restart();
    assert_eq!(server.run_sql("select n from t"), Ok("7".into()));
    let other = server.url().replace("admin:", "nobody:");
    let refused = Postgres::run_sql_as(&other, "select 1").unwrap_err();
    assert!(refused.contains("authentication failed"), "{refused}");
}

#[test]
fn redis_keeps_its_keys_over_a_restart() {
    let mut server = Redis::start();
    assert_eq!(server.run_command(&["SET", "k", "7"]), Ok("OK".into()));
    server.stop();
    assert!(server.run_command(&["GET", "k"]).is_err(), "it is down");
    server.restart();
    assert_eq!(server.run_command(&["GET", "k"]), Ok("7".into()));
    let other = server.url().replace("operators", "nobodys");
    assert!(Redis::run_command_as(&other, &["GET", "k"]).is_err());
    let old = Redis::start_without_users();
    let refused = old.run_command(&["ACL", "WHOAMI"]).unwrap_err();
    assert!(refused.contains("unknown command"), "{refused}");
}

#[test]
fn memcached_answers_and_forgets() {
    let mut server = Memcached::start();
    let stored = Memcached::send_lines(&server.address(), "set k 0 0 1\n7\n", "\r\n");
    assert_eq!(stored, "STORED\r\n");
    let found = Memcached::send_lines(&server.address(), "get k\n", "END\r\n");
    assert_eq!(found, "VALUE k 0 1\r\n7\r\nEND\r\n");
    server.stop();
    server.restart();
    assert_eq!(
        Memcached::send_lines(&server.address(), "get k\n", "END\r\n"),
        "END\r\n"
    );
}

//! Tests of the tables of dynos.

use super::*;

#[test]
fn dynos_are_printed_as_table_rows() {
    let dynos: Vec<DynoResource> = serde_json::from_value(json!([
        { "id": "web.1", "process": "web", "state": "up", "since": "2026-11-22T00:00:00Z", "for_s": 750,
          "release": "v3", "node": "local" },
        { "id": "web.2", "process": "web", "process": "web", "state": "starting", "since": "2026-11-22T00:12:30Z",
          "for_s": 0, "release": "v3", "node": null },
    ]))
    .expect("dynos");
    let expected = "\
dyno   state     for  release  node
web.1  up        12m  v3       local
web.2  starting  0s   v3       -";
    assert_eq!(dyno_table(&dynos), expected);
}

#[test]
fn scaling_differences_are_applied_to_the_current_formation() {
    let now: Vec<FormationResource> = serde_json::from_value(json!([
        { "type": "web", "quantity": 2, "memory": "128MiB", "kind": "handler" },
    ]))
    .expect("a formation");
    let of = |text: &str| -> Result<serde_json::Value> {
        let updates = formation_updates(&[text.parse().expect("a change")], &now)?;
        Ok(json!(updates))
    };
    assert_eq!(
        of("web+1").expect("known"),
        json!([{ "type": "web", "quantity": 3 }])
    );
    assert_eq!(
        of("worker=1:64MiB").expect("outright"),
        json!([{ "type": "worker", "quantity": 1, "memory": "64MiB" }])
    );
    let error = of("worker+1").expect_err("unknown");
    assert!(
        error.to_string().contains("no process type worker"),
        "{error}"
    );
}

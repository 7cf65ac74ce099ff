//! Config vars: set, seen by the app, removed.

use crate::server::Server;

#[test]
fn setting_a_config_var_makes_a_release_and_reaches_the_app() {
    let server = Server::with_demo();
    let done = server.run(&["config", "set", "GREETING=hello there", "EMPTY="]);
    assert!(
        done.err.contains("Set GREETING, EMPTY, which makes v2"),
        "{done:?}"
    );
    assert!(
        !done.err.contains("hello there"),
        "a value is not repeated: {done:?}"
    );
    done.ok();
    assert_eq!(
        server.process.get("/env/GREETING").text().trim(),
        "hello there"
    );
    assert_eq!(
        server.run(&["config", "get", "GREETING"]).ok(),
        "hello there\n"
    );
    let shell = server.run(&["config", "--shell"]).ok();
    assert_eq!(shell, "EMPTY=''\nGREETING='hello there'\n");
    let text = server.run(&["config"]).ok();
    assert!(text.contains("GREETING  hello there"), "{text}");
    let json = server.run(&["config", "--json"]).json();
    assert_eq!(
        json,
        serde_json::json!({ "EMPTY": "", "GREETING": "hello there" })
    );
    server.run(&["config", "unset", "GREETING"]).ok();
    assert_eq!(server.process.get("/env/GREETING").status, 404);
    let error = server.run(&["config", "get", "GREETING"]).failed();
    assert!(error.contains("has no config var GREETING"), "{error}");
    let release = server.run(&["releases", "info", "v3"]).ok();
    assert!(
        release.contains("EMPTY") && !release.contains("hello"),
        "{release}"
    );
}

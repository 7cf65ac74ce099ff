//! Logins, and the roles of tokens.

use crate::server::{Server, done};

#[test]
fn the_first_start_logs_the_user_in() {
    let server = Server::start();
    let who = server.run(&["whoami"]).ok();
    assert_eq!(who, format!("admin (role admin) at {}\n", server.api));
    server.run(&["logout"]).ok();
    let error = server.run(&["whoami"]).failed();
    assert!(error.contains("no server is known"), "{error}");
}

#[test]
fn a_token_allows_the_actions_of_its_role_until_revoked() {
    let server = Server::with_demo();
    let create = [
        "tokens", "create", "--role", "read", "--app", "demo", "--name", "watch",
    ];
    let made = server.run(&create).ok();
    let secret = made.trim();
    assert!(
        secret.starts_with("dyno_") && secret.len() == 48,
        "{secret}"
    );
    let with = |args: &[&str]| done(server.command(args).env("DYNO_TOKEN", secret));
    let who = with(&["whoami"]).ok();
    assert!(who.starts_with("watch (role read, app demo only)"), "{who}");
    with(&["ps"]).ok();
    for refused in [
        &["ps", "scale", "web=2"][..],
        &["config", "set", "A=1"],
        &["config", "get", "A"],
        &["apps", "destroy", "--confirm", "demo"],
        &["tokens"],
    ] {
        with(refused).failed();
    }
    let list = server.run(&["tokens", "--json"]).json();
    assert!(!list.to_string().contains(secret));
    let mut items = list["items"].as_array().unwrap().iter();
    let token = items.find(|item| item["name"] == "watch").unwrap();
    let id = token["id"].as_str().unwrap();
    let text = server.run(&["tokens"]).ok();
    assert!(
        text.contains(id) && text.contains("watch") && !text.contains(secret),
        "{text}"
    );
    server.run(&["tokens", "revoke", id]).ok();
    let error = with(&["ps"]).failed();
    assert!(error.contains("log in again with `dyno login "), "{error}");
}

//! Operating an app: dynos, logs, hostnames, maintenance, settings, usage, destruction.

use testkit::{DynoProcess, wait_until};

use crate::server::Server;

fn dynos(server: &Server) -> Vec<String> {
    let list = server.run(&["ps", "--json"]).json();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn dynos_are_scaled_restarted_and_stopped() {
    let server = Server::with_demo();
    let text = server.run(&["ps"]).ok();
    assert!(text.contains("web.1  up") && text.contains("v1"), "{text}");
    let text = server.run(&["ps", "scale", "web=3"]).ok();
    assert!(text.contains("web") && text.contains('3'), "{text}");
    assert_eq!(dynos(&server), ["web.1", "web.2", "web.3"]);
    server.run(&["ps:scale", "web+1"]).ok();
    let text = server.run(&["ps", "scale"]).ok();
    assert!(text.contains("web      4"), "{text}");
    server.run(&["ps", "scale", "web-3"]).ok();
    let formation = server.run(&["ps", "scale", "--json"]).json();
    assert_eq!(formation["items"][0]["quantity"], 1);
    server.run(&["ps", "restart", "web.1"]).ok();
    server.run(&["ps", "restart"]).ok();
    assert_eq!(server.process.get("/").status, 200);
    server.run(&["ps", "stop", "web.1"]).ok();
    let error = server.run(&["ps", "scale", "clock=1"]).failed();
    assert!(error.contains("clock"), "{error}");
    let error = server.run(&["ps", "restart", "web.9"]).failed();
    assert!(error.contains("web.9"), "{error}");
}

#[test]
fn logs_are_shown_and_followed() {
    let server = Server::with_demo();
    server.process.get("/one");
    let follow = DynoProcess::spawn(&mut server.command(&["logs", "-t", "-n", "500"]));
    follow.wait_for_line("the past", |line| line.contains("path=\"/one\""));
    server.process.get("/two");
    let line = follow.wait_for_line("what comes", |line| line.contains("path=\"/two\""));
    assert!(
        line.contains("+00:00 dyno[router]: at=info method=GET"),
        "{line}"
    );
    let all = server.run(&["logs", "-n", "500"]).ok();
    assert!(
        all.contains("dyno[api]: Release v1 created by admin"),
        "{all}"
    );
    assert!(
        all.contains("dyno[web.1]: State changed from starting to up"),
        "{all}"
    );
    let one = server
        .run(&["logs", "--dyno", "web.1", "--source", "dyno"])
        .ok();
    assert!(one.lines().count() > 0, "{one}");
    assert!(
        one.lines().all(|line| line.contains(" dyno[web.1]: ")),
        "{one}"
    );
    assert_eq!(server.run(&["logs", "-n", "1"]).ok().lines().count(), 1);
    assert!(server.process.stop().success());
    let ended = follow.wait_for_line("the end", |line| line.contains("Ended by the server"));
    assert!(!ended.contains("error"));
}

#[test]
fn hostnames_and_maintenance_take_effect() {
    let server = Server::with_demo();
    let at = |host: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        testkit::HttpReply::parse(&server.process.send_bytes(head.as_bytes())).status
    };
    assert_eq!(at("www.example.com"), 404);
    server.run(&["domains", "add", "www.example.com"]).ok();
    let names = server.run(&["domains"]).ok();
    assert_eq!(names, "demo.localhost\nwww.example.com\n");
    wait_until("the host name answers", || at("www.example.com") == 200);
    server.run(&["domains", "rm", "www.example.com"]).ok();
    wait_until("the host name is gone", || at("www.example.com") == 404);
    let error = server.run(&["domains", "rm", "www.example.com"]).failed();
    assert!(error.contains("www.example.com"), "{error}");
    assert_eq!(server.run(&["maintenance"]).ok(), "off\n");
    assert_eq!(server.run(&["maintenance", "on"]).ok(), "on\n");
    wait_until("maintenance is on", || {
        server.process.get("/").status == 503
    });
    assert_eq!(server.run(&["maintenance", "off"]).ok(), "off\n");
    wait_until("maintenance is off", || {
        server.process.get("/").status == 200
    });
}

#[test]
fn an_app_can_be_configured_billed_and_destroyed() {
    let server = Server::with_demo();
    let text = server
        .run(&["apps", "set", "timeout=90s", "idle-after=off"])
        .ok();
    assert!(
        text.contains("timeout      1m 30s") && text.contains("idle after   off"),
        "{text}"
    );
    let text = server
        .run(&["apps", "set", "timeout=default", "idle-after=default"])
        .ok();
    assert!(text.contains("the server's default"), "{text}");
    let text = server.run(&["usage", "-a", "demo"]).ok();
    assert!(
        text.contains("demo") && text.contains("web") && text.contains("USD"),
        "{text}"
    );
    assert!(
        server
            .run(&["usage", "--since", "2026-01-01"])
            .ok()
            .contains("demo")
    );
    let url = server.run(&["apps", "open"]).ok();
    assert_eq!(
        url,
        format!("http://demo.localhost:{}/\n", server.process.port)
    );
    let error = server
        .run(&["apps", "destroy", "-a", "demo", "--confirm", "other"])
        .failed();
    assert!(error.contains("nothing was destroyed"), "{error}");
    server.run(&["apps", "destroy", "--confirm", "demo"]).ok();
    let error = server.run(&["apps", "info"]).failed();
    assert!(error.contains("demo"), "{error}");
    let error = server
        .run(&["apps", "destroy", "--confirm", "demo"])
        .failed();
    assert!(error.contains("demo"), "{error}");
}

//! A server behind a proxy that has the TLS, as `README.md` shows it.

use testkit::{Reply, Rig, Server, http};

const APP: &str = "shop";

/// What the app sees of a request of a TLS proxy.
fn seen(server: &Server<'_>) -> String {
    let headers = [
        "Host: shop.localhost",
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example",
        "Connection: close",
    ]
    .map(str::to_owned);
    let request = http::request("GET", "/headers", &headers, b"");
    let reply: Reply = http::exchange(server.apps, &request).unwrap();
    assert_eq!(reply.status, 200);
    reply.text().to_lowercase()
}

#[test]
fn a_trusted_proxy_is_believed_and_no_other() {
    let rig = Rig::new();
    let file = rig.path("dyno.toml");
    std::fs::write(&file, "trust-proxy = [\"127.0.0.0/8\", \"::1\"]\n").unwrap();
    let slug = rig.slug("good", "one");
    let server = rig.start_with(&["--config", file.to_str().unwrap()]);
    server.make(APP, &slug);
    let text = seen(&server);
    for line in [
        "x-forwarded-for: 203.0.113.9, 127.0.0.1\n",
        "x-forwarded-proto: https\n",
        "x-forwarded-port: 443\n",
        "x-forwarded-host: shop.example\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let logs = server.dyno(&["logs", "-a", APP, "-n", "50"]);
    let line = logs
        .ok()
        .lines()
        .find(|line| line.contains("path=\"/headers\""));
    let line = line.unwrap_or_else(|| panic!("{}", logs.out));
    assert!(line.contains(" fwd=\"203.0.113.9, 127.0.0.1\" "), "{line}");
    assert!(line.ends_with(" tls=true"), "{line}");
    assert!(server.stop().success());

    let server = rig.start_with(&["--trust-proxy", "10.0.0.0/8", "--trust-proxy", "::1"]);
    server.wait_until_ready();
    let text = seen(&server);
    for line in ["x-forwarded-for: 127.0.0.1\n", "x-forwarded-proto: http\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("x-forwarded-host"), "{text}");
    assert!(server.stop().success());
}

#[test]
fn a_proxy_that_is_no_address_is_refused() {
    let rig = Rig::new();
    let said = testkit::say(&mut rig.command(&rig.data(), &["--trust-proxy", "nginx"]));
    assert_ne!(said.code, Some(0));
    assert!(
        said.err.contains("--trust-proxy") && said.err.contains("10.0.0.0/8"),
        "{}",
        said.err
    );
}

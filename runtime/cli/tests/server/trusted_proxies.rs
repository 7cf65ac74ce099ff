//! A server behind a proxy that terminates TLS, as the documentation shows it.

use testkit::{HttpReply, Server, ServerRig, http};

const APP: &str = "shop";

/// Sends a request as a TLS proxy does, and returns the headers that the app gets.
fn seen(server: &Server<'_>) -> String {
    let headers = [
        "Host: shop.localhost",
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example",
        "Connection: close",
    ]
    .map(str::to_owned);
    let request = http::encode_request("GET", "/headers", &headers, b"");
    let reply: HttpReply = http::send_request(server.apps, &request).unwrap();
    assert_eq!(reply.status, 200);
    reply.text().to_lowercase()
}

#[test]
fn only_headers_of_a_trusted_proxy_are_used() {
    let rig = ServerRig::new();
    let file = rig.path("dyno.toml");
    std::fs::write(&file, "trust-proxy = [\"127.0.0.0/8\", \"::1\"]\n").unwrap();
    let slug = rig.build_slug("good", "one");
    let server = rig.start_with_flags(&["--config", file.to_str().unwrap()]);
    server.create_app(APP, &slug);
    let text = seen(&server);
    for line in [
        "x-forwarded-for: 203.0.113.9, 127.0.0.1\n",
        "x-forwarded-proto: https\n",
        "x-forwarded-port: 443\n",
        "x-forwarded-host: shop.example\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let logs = server.run(&["logs", "-a", APP, "-n", "50"]);
    let line = logs
        .success()
        .lines()
        .find(|line| line.contains("path=\"/headers\""));
    let line = line.unwrap_or_else(|| panic!("{}", logs.stdout));
    assert!(line.contains(" fwd=\"203.0.113.9, 127.0.0.1\" "), "{line}");
    assert!(line.ends_with(" tls=true"), "{line}");
    assert!(server.stop().success());

    let server = rig.start_with_flags(&["--trust-proxy", "10.0.0.0/8", "--trust-proxy", "::1"]);
    server.wait_until_ready();
    let text = seen(&server);
    for line in ["x-forwarded-for: 127.0.0.1\n", "x-forwarded-proto: http\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("x-forwarded-host"), "{text}");
    assert!(server.stop().success());
}

#[test]
fn an_invalid_proxy_address_is_refused() {
    let rig = ServerRig::new();
    let said = testkit::run_command(
        &mut rig.serve_command(&rig.data_folder(), &["--trust-proxy", "nginx"]),
    );
    assert_ne!(said.code, Some(0));
    assert!(
        said.stderr.contains("--trust-proxy") && said.stderr.contains("10.0.0.0/8"),
        "{}",
        said.stderr
    );
}

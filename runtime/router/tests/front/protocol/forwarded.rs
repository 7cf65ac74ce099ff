//! Proxies in front of the router, and other clients that claim to be one.

use crate::protocol::headers::{mirror, value};
use crate::raw::Raw;
use crate::world::{World, say};
use router::RouterLimits;

/// The headers that an app gets for a request with these headers from this address, and the log line.
async fn seen_behind(proxies: &[&str], peer: &str, headers: &str) -> (Vec<String>, String) {
    let world = World::behind(proxies, RouterLimits::default(), 1, |request, reply, _| {
        mirror(request, reply)
    });
    let mut raw = Raw::new(world.pipe_from(peer));
    let answer = raw
        .ask(format!(
            "GET /x HTTP/1.1\r\nHost: hello.localhost\r\n{headers}\r\n"
        ))
        .await;
    assert_eq!(answer.status, 200);
    let seen = answer.body.lines().map(str::to_owned).collect();
    (seen, world.lines(1).await.remove(0))
}

/// Headers as nginx, Caddy and HAProxy send them.
const OF_A_TLS_PROXY: &str = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
     X-Forwarded-Host: shop.example\r\nForwarded: for=203.0.113.9;proto=https\r\n\
     X-Real-IP: 203.0.113.9\r\n";

#[tokio::test]
async fn headers_of_a_trusted_proxy_are_kept_and_its_address_appended() {
    for (proxies, peer, shown) in [
        (vec!["192.0.2.7"], "192.0.2.7", "192.0.2.7"),
        (vec!["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.7", "192.0.2.7"),
        (vec!["192.0.2.0/24"], "::ffff:192.0.2.7", "192.0.2.7"),
        (vec!["2001:db8::/32"], "2001:db8::5", "2001:db8::5"),
    ] {
        let (seen, line) = seen_behind(&proxies, peer, OF_A_TLS_PROXY).await;
        let addresses = format!("203.0.113.9, {shown}");
        assert_eq!(value(&seen, "x-forwarded-for"), [addresses.as_str()]);
        assert_eq!(value(&seen, "x-forwarded-proto"), ["https"]);
        assert_eq!(value(&seen, "x-forwarded-port"), ["443"]);
        assert_eq!(value(&seen, "x-forwarded-host"), ["shop.example"]);
        assert_eq!(value(&seen, "forwarded"), ["for=203.0.113.9;proto=https"]);
        assert_eq!(value(&seen, "x-real-ip"), ["203.0.113.9"]);
        assert!(line.contains(&format!("fwd=\"{addresses}\" ")), "{line}");
        assert!(line.ends_with(" tls=true"), "{line}");
    }
}

#[tokio::test]
async fn forwarding_headers_of_untrusted_clients_are_replaced() {
    for (proxies, peer) in [
        (vec![], "192.0.2.7"),
        (vec!["192.0.2.8"], "192.0.2.7"),
        (vec!["203.0.113.9"], "192.0.2.7"),
        (vec!["::/0"], "192.0.2.7"),
        (vec!["0.0.0.0/0"], "2001:db8::5"),
    ] {
        let (seen, line) = seen_behind(&proxies, peer, OF_A_TLS_PROXY).await;
        assert_eq!(value(&seen, "x-forwarded-for"), [peer]);
        assert_eq!(value(&seen, "x-forwarded-proto"), ["http"]);
        assert_eq!(value(&seen, "x-forwarded-port"), ["8080"]);
        for gone in ["x-forwarded-host", "forwarded", "x-real-ip"] {
            assert!(value(&seen, gone).is_empty(), "{gone}");
        }
        assert!(line.contains(&format!("fwd=\"{peer}\" ")), "{line}");
        assert!(line.ends_with(" tls=false"), "{line}");
    }
}

/// The log and the app see all proxies of a chain. The first address from the right that the operator
/// does not trust is the client.
#[tokio::test]
async fn the_client_of_a_proxy_chain_is_the_first_untrusted_address_from_the_right() {
    let headers = "X-Forwarded-For: 203.0.113.9, 10.0.0.2\r\nX-Forwarded-For: 10.0.0.3\r\n\
                   X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n";
    let (seen, line) = seen_behind(&["10.0.0.0/8"], "10.0.0.4", headers).await;
    let all = "203.0.113.9, 10.0.0.2, 10.0.0.3, 10.0.0.4";
    assert_eq!(value(&seen, "x-forwarded-for"), [all]);
    assert_eq!(value(&seen, "x-forwarded-port"), ["8443"]);
    assert!(line.contains(&format!("fwd=\"{all}\"")), "{line}");
}

#[tokio::test]
async fn malformed_headers_of_a_trusted_proxy_are_ignored() {
    let headers = "X-Forwarded-For: <script>\r\nX-Forwarded-Proto: javascript\r\n\
                   X-Forwarded-Port: 80; drop\r\nX-Forwarded-Host: a b\r\n";
    let (seen, line) = seen_behind(&["192.0.2.7"], "192.0.2.7", headers).await;
    assert_eq!(value(&seen, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(value(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(value(&seen, "x-forwarded-port"), ["8080"]);
    assert!(value(&seen, "x-forwarded-host").is_empty());
    assert!(
        line.contains("fwd=\"192.0.2.7\"") && line.ends_with("tls=false"),
        "{line}"
    );
}

/// The router's own headers are replaced, even if a trusted proxy sends them.
#[tokio::test]
async fn a_trusted_proxy_cannot_pass_other_reserved_headers() {
    let headers = "X-Dyno-Queue-Wait: 9\r\nX-Request-Start: 1\r\nX_Forwarded_For: 6.6.6.6\r\n";
    let (seen, _) = seen_behind(&["192.0.2.7"], "192.0.2.7", headers).await;
    assert_eq!(value(&seen, "x-dyno-queue-wait"), ["0"]);
    assert_ne!(value(&seen, "x-request-start"), ["1"]);
    assert!(value(&seen, "x_forwarded_for").is_empty());
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_have_no_limit_per_client() {
    let limits = RouterLimits {
        connections_per_client_max: 2,
        ..RouterLimits::default()
    };
    for (proxies, refused) in [(vec![], 3), (vec!["127.0.0.1"], 0)] {
        let world = World::behind(&proxies, limits, 1, |_, reply, _| async {
            say(reply, 200, "reached")
        });
        let server = world.listen().await;
        let mut open = Vec::new();
        let mut answered = 0;
        for _ in 0..5 {
            let mut raw = Raw::new(crate::world::connect(&server).await);
            raw.try_send("GET / HTTP/1.1\r\nhost: hello.localhost\r\n\r\n")
                .await;
            answered += u64::from(raw.try_answer(false).await.is_some());
            open.push(raw);
        }
        assert_eq!(
            (answered, world.router.statistics().connections_refused),
            (5 - refused, refused)
        );
    }
}

//! What the platform's router says about a request, in headers. The router removes any copies that a client sends. Behind
//! another server, the headers may be missing, or come from the client.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use wstd::http::HeaderMap;

/// What the router says about one request. A header that is missing is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// `X-Request-Id`: the id of the request in all log lines about it.
    pub request_id: Option<String>,
    /// `X-Dyno-Queue-Wait`: how long the request waited for a free dyno.
    pub queue_wait: Option<Duration>,
    /// `X-Dyno-Queue-Depth`: how many requests were waiting before it.
    pub queue_depth: Option<u32>,
    /// `X-Request-Start`: when the router had received the head of the request.
    pub received: Option<SystemTime>,
    /// The last address of `X-Forwarded-For`: the client that the router itself saw.
    pub client: Option<IpAddr>,
    /// Whether the client used TLS, according to `X-Forwarded-Proto`.
    pub tls: bool,
}

impl Routing {
    /// Reads the headers of a request.
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get_all(name).iter().next_back()?.to_str().ok();
        let millis = |name: &str| text(name)?.parse().ok().map(Duration::from_millis);
        Self {
            request_id: text("x-request-id").map(str::to_owned),
            queue_wait: millis("x-dyno-queue-wait"),
            queue_depth: text("x-dyno-queue-depth").and_then(|depth| depth.parse().ok()),
            received: millis("x-request-start")
                .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time)),
            client: text("x-forwarded-for").and_then(last_address),
            tls: text("x-forwarded-proto") == Some("https"),
        }
    }
}

/// The last address is the one that the router saw itself. Clients and proxies claim the addresses before it.
fn last_address(list: &str) -> Option<IpAddr> {
    list.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().expect("sound"));
        }
        map
    }

    #[test]
    fn headers_of_the_router_are_parsed() {
        let routing = Routing::read(&headers(&[
            ("x-request-id", "abc"),
            ("x-dyno-queue-wait", "120"),
            ("x-dyno-queue-depth", "3"),
            ("x-request-start", "1790000000123"),
            ("x-forwarded-for", "10.0.0.1, 203.0.113.9"),
            ("x-forwarded-proto", "https"),
        ]));
        assert_eq!(routing.request_id.as_deref(), Some("abc"));
        assert_eq!(routing.queue_wait, Some(Duration::from_millis(120)));
        assert_eq!(routing.queue_depth, Some(3));
        let start = Duration::from_millis(1_790_000_000_123);
        assert_eq!(routing.received, Some(SystemTime::UNIX_EPOCH + start));
        assert_eq!(routing.client, Some([203, 0, 113, 9].into()));
        assert!(routing.tls);
    }

    #[test]
    fn missing_and_invalid_headers_are_left_out() {
        assert_eq!(Routing::read(&headers(&[])), Routing::default());
        let odd = [
            ("x-dyno-queue-wait", "-1"),
            ("x-forwarded-for", "unknown"),
            ("x-request-start", "soon"),
        ];
        assert_eq!(Routing::read(&headers(&odd)), Routing::default());
    }
}

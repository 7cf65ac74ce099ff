//! The client's address, protocol and port, as a trusted proxy in front of the router gives them.
//!
//! Owns the reading of `X-Forwarded-For`, `-Proto` and `-Port`. Must not know connections, apps or logs. These headers
//! are not read at all from any other client.

use std::net::{IpAddr, SocketAddr};

use exchange::headers::{FORWARDED_FOR, FORWARDED_PORT, FORWARDED_PROTO};
use http::header::{self, HeaderMap, HeaderValue};

use crate::shared::connection_state::ClientOrigin;

/// The origin of a request, according to a trusted proxy. An invalid value counts as absent: the proxy's own value is
/// used in its place.
pub(crate) fn read_forwarded_origin(headers: &HeaderMap, proxy: ClientOrigin) -> ClientOrigin {
    let proto = read_proto(headers);
    let port = read_port(headers).or_else(|| proto.map(|tls| implied_port(headers, tls)));
    ClientOrigin {
        addresses: append_peer(headers, &proxy.addresses),
        tls: proto.unwrap_or(proxy.tls),
        port: port.map(HeaderValue::from),
    }
}

/// The addresses of `X-Forwarded-For` and the peer's. The list is read from the right, up to the first value that is no
/// address: a client could have invented everything to the left of it.
fn append_peer(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut addresses = Vec::new();
    'lines: for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for text in line.to_str().unwrap_or("unreadable").rsplit(',') {
            match read_address(text.trim()) {
                Some(address) => addresses.push(address.to_string()),
                None => break 'lines,
            }
        }
    }
    if addresses.is_empty() {
        return peer.clone();
    }
    addresses.reverse();
    let mut joined = addresses.join(", ").into_bytes();
    joined.extend_from_slice(b", ");
    joined.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&joined).expect("addresses joined by a comma are a header value")
}

/// Reads an address. Some proxies write it with a port, or in brackets.
fn read_address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(bracketed).or_else(with_port);
    address.map(|address| address.to_canonical())
}

/// Whether the client used TLS, if the proxy says that. Of several values the first is the client's; all must be valid.
fn read_proto(headers: &HeaderMap) -> Option<bool> {
    let mut first = None;
    for line in headers.get_all(FORWARDED_PROTO) {
        for text in line.to_str().ok()?.split(',').map(str::trim) {
            let tls = text.eq_ignore_ascii_case("https");
            if !tls && !text.eq_ignore_ascii_case("http") {
                return None;
            }
            first.get_or_insert(tls);
        }
    }
    first
}

/// The port that the client connected to, if the proxy says that. Of several values the first is the client's.
fn read_port(headers: &HeaderMap) -> Option<u16> {
    let text = headers.get(FORWARDED_PORT)?.to_str().ok()?;
    parse_port(text.split(',').next()?.trim())
}

/// The port of a client whose proxy says the protocol only: the port in `Host`, else the default of the protocol.
fn implied_port(headers: &HeaderMap, tls: bool) -> u16 {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':'));
    let port = port.and_then(|(_, port)| parse_port(port));
    port.unwrap_or(if tls { 443 } else { 80 })
}

fn parse_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> (String, bool, String) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let proxy = ClientOrigin {
            addresses: HeaderValue::from_static("127.0.0.1"),
            tls: false,
            port: None,
        };
        let read = read_forwarded_origin(&headers, proxy);
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        let port = read.port.as_ref().map_or("own".to_owned(), text);
        (text(&read.addresses), read.tls, port)
    }

    #[test]
    fn addresses_are_kept_up_to_the_first_invalid_value() {
        for (value, kept) in [
            ("203.0.113.9", "203.0.113.9, 127.0.0.1"),
            (
                "198.51.100.7,203.0.113.9",
                "198.51.100.7, 203.0.113.9, 127.0.0.1",
            ),
            ("2001:db8::7", "2001:db8::7, 127.0.0.1"),
            ("[2001:db8::7]:4711", "2001:db8::7, 127.0.0.1"),
            ("203.0.113.9:4711", "203.0.113.9, 127.0.0.1"),
            ("::ffff:203.0.113.9", "203.0.113.9, 127.0.0.1"),
            ("6.6.6.6, unknown, 203.0.113.9", "203.0.113.9, 127.0.0.1"),
            ("203.0.113.9, <script>", "127.0.0.1"),
            ("203.0.113.9, ", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(read(&[("x-forwarded-for", value)]).0, kept, "{value:?}");
        }
        let lines = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(read(&lines).0, "198.51.100.7, 203.0.113.9, 127.0.0.1");
    }

    #[test]
    fn the_port_follows_the_protocol_unless_the_proxy_sends_a_port() {
        let proto = "x-forwarded-proto";
        let port = "x-forwarded-port";
        for (lines, tls, expected) in [
            (vec![(proto, "https")], true, "443"),
            (vec![(proto, "HTTPS")], true, "443"),
            (vec![(proto, "http")], false, "80"),
            (
                vec![(proto, "https"), ("host", "a.example:8443")],
                true,
                "8443",
            ),
            (vec![(proto, "https"), (port, "8443")], true, "8443"),
            (vec![(proto, "https,http"), (port, "443, 80")], true, "443"),
            (vec![(proto, "gopher"), (port, "70000")], false, "own"),
            (vec![(proto, "https, gopher")], false, "own"),
            (vec![(proto, ""), (port, "+1")], false, "own"),
            (vec![(port, "0")], false, "own"),
            (vec![(port, "81")], false, "81"),
        ] {
            let read = read(&lines);
            assert_eq!((read.1, read.2.as_str()), (tls, expected), "{lines:?}");
        }
    }
}

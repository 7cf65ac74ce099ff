//! What a proxy in front of the router says of the client.
//!
//! Owns which proxies are trusted, and the reading of `X-Forwarded-For`, `-Proto`, `-Port`, `-Host` and `Forwarded`
//! (RFC 7239) in their requests. Must not know connections, apps or logs. A stranger's copies of these headers are not
//! read at all.

use exchange::headers::{FORWARDED_FOR, FORWARDED_PORT, FORWARDED_PROTO};
use http::header::{self, HeaderMap, HeaderValue};
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The first bits of an IPv6 address that holds an IPv4 address (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// The network of a proxy whose forwarding headers are believed: `10.0.0.0/8`, `2001:db8::/32`. An address alone is a
/// network of one; a network of v4-mapped IPv6 addresses is the IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// Text that is no [`TrustedProxy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedProxyError {
    /// Neither an address nor a network.
    #[error("write the address or the network of a proxy: 127.0.0.1, 10.0.0.0/8 or fd00::/8")]
    Network,
    /// Bits beyond the prefix, as in 10.0.0.5/8.
    #[error("{0} names one address and a network: write {1} for the network")]
    Bits(IpNet, IpNet),
}

impl FromStr for TrustedProxy {
    type Err = TrustedProxyError;

    fn from_str(text: &str) -> Result<Self, TrustedProxyError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(TrustedProxy(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| TrustedProxyError::Network)?;
        match network.trunc() {
            whole if whole == network => Ok(TrustedProxy(unmap_network(network))),
            whole => Err(TrustedProxyError::Bits(network, whole)),
        }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All proxies that a router trusts. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedProxy>);

impl From<Vec<TrustedProxy>> for TrustedProxies {
    fn from(proxies: Vec<TrustedProxy>) -> TrustedProxies {
        TrustedProxies(proxies)
    }
}

impl TrustedProxies {
    /// Whether the forwarding headers of this peer are believed.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|proxy| proxy.0.contains(&peer))
    }
}

fn unmap_network(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let (Some(v4), Some(bits)) = (
        v6.addr().to_ipv4_mapped(),
        v6.prefix_len().checked_sub(MAPPED_BITS),
    ) else {
        return network;
    };
    Ipv4Net::new(v4, bits).map_or(network, IpNet::V4)
}

/// Who the client is, as far as it is known.
#[derive(Debug)]
pub(crate) struct ForwardedClient {
    /// The value of `X-Forwarded-For`: every address that the request came through, the peer's last.
    pub(crate) addresses: HeaderValue,
    /// Whether the client's own connection was encrypted.
    pub(crate) tls: bool,
    /// The port that the client connected to, unless it is the connection's own.
    pub(crate) port: Option<HeaderValue>,
}

/// Reads what a trusted proxy says of the client. Values that are not valid count as absent: the connection's own
/// are used in their place.
pub(crate) fn read_trusted(headers: &HeaderMap, own: ForwardedClient) -> ForwardedClient {
    let proto = read_proto(headers);
    let port = read_port(headers).or_else(|| proto.map(|tls| implied_port(headers, tls)));
    ForwardedClient {
        addresses: append_peer(headers, &own.addresses),
        tls: proto.unwrap_or(own.tls),
        port: port.map(HeaderValue::from),
    }
}

/// The addresses of `X-Forwarded-For` from the right up to the first that is none, and the peer's. What stands left of
/// a value that is no address cannot be told from an invention.
fn append_peer(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut addresses = Vec::new();
    'all: for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for text in line.to_str().unwrap_or("unreadable").rsplit(',') {
            match read_address(text.trim()) {
                Some(address) => addresses.push(address.to_string()),
                None => break 'all,
            }
        }
    }
    if addresses.is_empty() {
        return peer.clone();
    }
    addresses.reverse();
    let mut all = addresses.join(", ").into_bytes();
    all.extend_from_slice(b", ");
    all.extend_from_slice(peer.as_bytes());
    HeaderValue::from_bytes(&all).expect("addresses joined by a comma are a header value")
}

/// An address, perhaps with a port or in brackets, as some proxies write it.
fn read_address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(bracketed).or_else(with_port);
    address.map(|address| address.to_canonical())
}

/// Whether the client used TLS, if the proxy says so. Of several values the first is the client's; all must be valid.
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

/// The port that the client connected to, if the proxy says so. Of several values the first is the client's.
fn read_port(headers: &HeaderMap) -> Option<u16> {
    let text = headers.get(FORWARDED_PORT)?.to_str().ok()?;
    parse_port(text.split(',').next()?.trim())
}

/// The port of a client whose proxy tells the protocol alone: that of `Host`, else the protocol's own.
fn implied_port(headers: &HeaderMap, tls: bool) -> u16 {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':'));
    let port = port.and_then(|(_, port)| parse_port(port));
    port.unwrap_or(if tls { 443 } else { 80 })
}

fn parse_port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(networks: &[&str]) -> TrustedProxies {
        let proxies = networks.iter().map(|text| text.parse().expect("a network"));
        TrustedProxies::from(proxies.collect::<Vec<TrustedProxy>>())
    }

    #[test]
    fn a_proxy_is_an_address_or_a_whole_network() {
        for (text, shown) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::1", "::1/128"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            let proxy: TrustedProxy = text.parse().expect(text);
            assert_eq!(proxy.to_string(), shown);
        }
        for (text, why) in [
            ("10.0.0.5/8", "write 10.0.0.0/8"),
            ("proxy.example", "127.0.0.1"),
            ("10.0.0.0/33", "10.0.0.0/8"),
            ("127.0.0.1:80", "fd00::/8"),
            ("", "127.0.0.1"),
        ] {
            let error = text.parse::<TrustedProxy>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_v4_mapped_address_is_its_ipv4_address_on_both_sides() {
        let proxies = trusted(&["10.0.0.0/8", "::ffff:192.0.2.0/120", "2001:db8::/32"]);
        for (peer, known) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.200", true),
            ("::ffff:192.0.2.200", true),
            ("192.0.3.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            let peer: IpAddr = peer.parse().expect("an address");
            assert_eq!(proxies.contains(peer), known, "{peer}");
        }
        assert!(!TrustedProxies::default().contains(IpAddr::from([127, 0, 0, 1])));
    }

    fn read(lines: &[(&'static str, &'static str)]) -> (String, bool, String) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let own = ForwardedClient {
            addresses: HeaderValue::from_static("127.0.0.1"),
            tls: false,
            port: None,
        };
        let read = read_trusted(&headers, own);
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        let port = read.port.as_ref().map_or("own".to_owned(), text);
        (text(&read.addresses), read.tls, port)
    }

    #[test]
    fn addresses_are_kept_as_far_as_they_are_addresses() {
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
    fn the_port_follows_the_protocol_unless_it_is_told() {
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

//! The proxies in front of the router whose forwarding headers are believed.
//!
//! Owns the syntax of their addresses. Must not know which headers they send.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The first bits of an IPv6 address that holds an IPv4 address (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// The network of a trusted proxy: `10.0.0.0/8`, `2001:db8::/32`. A single address is a network of one address; a
/// network of v4-mapped IPv6 addresses is the IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

/// Why a text is no [`TrustedProxy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedProxyError {
    /// Neither an address nor a network.
    #[error("write the address or the network of a proxy: 127.0.0.1, 10.0.0.0/8 or fd00::/8")]
    Network,
    /// The address has bits beyond the prefix, as in 10.0.0.5/8.
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
    /// Whether the peer with this address is a trusted proxy.
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
        for (text, hint) in [
            ("10.0.0.5/8", "write 10.0.0.0/8"),
            ("proxy.example", "127.0.0.1"),
            ("10.0.0.0/33", "10.0.0.0/8"),
            ("127.0.0.1:80", "fd00::/8"),
            ("", "127.0.0.1"),
        ] {
            let error = text.parse::<TrustedProxy>().expect_err(text).to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_v4_mapped_address_is_its_ipv4_address_on_both_sides() {
        let proxies = trusted(&["10.0.0.0/8", "::ffff:192.0.2.0/120", "2001:db8::/32"]);
        for (peer, is_trusted) in [
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
            assert_eq!(proxies.contains(peer), is_trusted, "{peer}");
        }
        assert!(!TrustedProxies::default().contains(IpAddr::from([127, 0, 0, 1])));
    }
}

//! Kinds of addresses that are closed by default.
//!
//! Owns which address blocks these are. Must not know which addresses the operator opened.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The reason why an address is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClosedAddress {
    ThisNetwork,
    Loopback,
    Private,
    LinkLocal,
    Shared,
    Special,
    Documentation,
    Multicast,
    Reserved,
    Mapped,
    Compatible,
    Tunnelled,
    /// A public address of this machine.
    Own,
    /// A port on which the platform itself listens.
    Platform,
    /// A port on which a dyno listens.
    Dyno,
}

impl fmt::Display for ClosedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClosedAddress::ThisNetwork => "an address that means this machine",
            ClosedAddress::Loopback => "a loopback address",
            ClosedAddress::Private => "a private address",
            ClosedAddress::LinkLocal => "a link-local address",
            ClosedAddress::Shared => "a shared address (carrier NAT)",
            ClosedAddress::Special => "a special-purpose address",
            ClosedAddress::Documentation => "an address for documentation",
            ClosedAddress::Multicast => "a multicast address",
            ClosedAddress::Reserved => "a reserved address",
            ClosedAddress::Mapped => "an IPv4-mapped address",
            ClosedAddress::Compatible => "an IPv4-compatible address",
            ClosedAddress::Tunnelled => "an address that embeds or tunnels another",
            ClosedAddress::Own => "an address of the machine that dynos run on",
            ClosedAddress::Platform => "a port of the platform itself",
            ClosedAddress::Dyno => "a dyno's own port, which only the router may use",
        })
    }
}

impl ClosedAddress {
    /// The reason why this address is closed by default. `None`: the address is public.
    pub(crate) fn by_default(ip: IpAddr) -> Option<ClosedAddress> {
        match ip {
            IpAddr::V4(ip) => closed_v4(ip),
            IpAddr::V6(ip) => closed_v6(ip),
        }
    }
}

/// The special-purpose blocks of the IANA IPv4 registry (RFC 6890) that are not globally reachable.
fn closed_v4(ip: Ipv4Addr) -> Option<ClosedAddress> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some(ClosedAddress::ThisNetwork),
        (127, ..) => Some(ClosedAddress::Loopback),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some(ClosedAddress::Private),
        (169, 254, _) => Some(ClosedAddress::LinkLocal),
        (100, 64..=127, _) => Some(ClosedAddress::Shared),
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) => Some(ClosedAddress::Special),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some(ClosedAddress::Documentation),
        (224..=239, ..) => Some(ClosedAddress::Multicast),
        (240..=255, ..) => Some(ClosedAddress::Reserved),
        _ => None,
    }
}

/// Only global unicast (2000::/3) is open, without the blocks that the IANA IPv6 registry reserves, and without
/// addresses that embed or tunnel an IPv4 address: Teredo, 6to4, NAT64.
fn closed_v6(ip: Ipv6Addr) -> Option<ClosedAddress> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(ClosedAddress::ThisNetwork),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(ClosedAddress::Loopback),
        [0, 0, 0, 0, 0, 0, ..] => Some(ClosedAddress::Compatible),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some(ClosedAddress::Mapped),
        [0xfe80..=0xfebf, ..] => Some(ClosedAddress::LinkLocal),
        [0xfc00..=0xfdff, ..] => Some(ClosedAddress::Private),
        [0xff00..=0xffff, ..] => Some(ClosedAddress::Multicast),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(ClosedAddress::Documentation),
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] | [0x64, 0xff9b, ..] => {
            Some(ClosedAddress::Tunnelled)
        }
        [0x2000..=0x3fff, ..] => None,
        _ => Some(ClosedAddress::Reserved),
    }
}

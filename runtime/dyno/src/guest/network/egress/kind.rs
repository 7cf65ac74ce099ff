//! Kinds of addresses that are closed unless they are opened.
//!
//! Owns which blocks these are. Must not know what was opened.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
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
    /// An address of this machine that would be open if it were another's.
    Own,
    /// A port that the platform itself listens on.
    Platform,
    /// A port that a dyno listens on.
    Dyno,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Closed::ThisNetwork => "an address that means this machine",
            Closed::Loopback => "a loopback address",
            Closed::Private => "a private address",
            Closed::LinkLocal => "a link-local address",
            Closed::Shared => "a shared address (carrier NAT)",
            Closed::Special => "a special-purpose address",
            Closed::Documentation => "an address for documentation",
            Closed::Multicast => "a multicast address",
            Closed::Reserved => "a reserved address",
            Closed::Mapped => "an IPv4-mapped address",
            Closed::Compatible => "an IPv4-compatible address",
            Closed::Tunnelled => "an address that embeds or tunnels another",
            Closed::Own => "an address of the machine that dynos run on",
            Closed::Platform => "a port of the platform itself",
            Closed::Dyno => "a dyno's own port, which only the router may use",
        })
    }
}

impl Closed {
    /// Nothing: the address is public.
    pub(crate) fn of(ip: IpAddr) -> Option<Closed> {
        match ip {
            IpAddr::V4(ip) => closed_v4(ip),
            IpAddr::V6(ip) => closed_v6(ip),
        }
    }
}

/// The special-purpose blocks of the IANA IPv4 registry (RFC 6890) that are not globally reachable.
fn closed_v4(ip: Ipv4Addr) -> Option<Closed> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some(Closed::ThisNetwork),
        (127, ..) => Some(Closed::Loopback),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some(Closed::Private),
        (169, 254, _) => Some(Closed::LinkLocal),
        (100, 64..=127, _) => Some(Closed::Shared),
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) => Some(Closed::Special),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some(Closed::Documentation),
        (224..=239, ..) => Some(Closed::Multicast),
        (240..=255, ..) => Some(Closed::Reserved),
        _ => None,
    }
}

/// Only global unicast (2000::/3) is open, less what the IANA IPv6 registry sets apart, and less what embeds or
/// tunnels an IPv4 address: Teredo, 6to4, NAT64.
fn closed_v6(ip: Ipv6Addr) -> Option<Closed> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Closed::ThisNetwork),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Closed::Loopback),
        [0, 0, 0, 0, 0, 0, ..] => Some(Closed::Compatible),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some(Closed::Mapped),
        [0xfe80..=0xfebf, ..] => Some(Closed::LinkLocal),
        [0xfc00..=0xfdff, ..] => Some(Closed::Private),
        [0xff00..=0xffff, ..] => Some(Closed::Multicast),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Closed::Documentation),
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] | [0x64, 0xff9b, ..] => Some(Closed::Tunnelled),
        [0x2000..=0x3fff, ..] => None,
        _ => Some(Closed::Reserved),
    }
}

//! Which addresses a guest may reach: the policy, for sockets and for outgoing `wasi:http` alike.
//!
//! Public addresses are open; what lies around the host is closed unless the operator opens it.
//! A name is resolved once and each address it gave is checked; that address is dialled. Knows
//! nothing of how a connection is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime_wasi::sockets::SocketAddrUse;

use super::logs::Voice;

/// Refused dials that a dyno's log shows before it says no more about them.
const REFUSALS_TOLD_MAX: u32 = 20;

/// The operator's word on what guests may reach beside public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Egress {
    /// Loopback addresses are open: on a developer's own machine, never on a server.
    pub loopback: Allow,
}

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allow {
    /// It is.
    Yes,
    /// It is not.
    #[default]
    No,
}

impl Egress {
    /// `Err` names the kind of address that is closed.
    pub fn check(self, ip: IpAddr) -> Result<(), &'static str> {
        let closed = match ip {
            IpAddr::V4(ip) => closed_v4(ip),
            IpAddr::V6(ip) => closed_v6(ip),
        };
        match closed {
            None => Ok(()),
            Some("loopback") if self.loopback == Allow::Yes => Ok(()),
            Some(kind) => Err(kind),
        }
    }
}

/// The special-purpose blocks of the IANA IPv4 registry (RFC 6890) that are not globally reachable.
fn closed_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some("this network"),
        (127, ..) => Some("loopback"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("private"),
        (169, 254, _) => Some("link-local"),
        (100, 64..=127, _) => Some("shared (carrier NAT)"),
        (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _) => Some("special-purpose"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("documentation"),
        (224..=239, ..) => Some("multicast"),
        (240..=255, ..) => Some("reserved"),
        _ => None,
    }
}

/// Only global unicast (2000::/3) is open, less what embeds or tunnels an IPv4 address.
fn closed_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let s = ip.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("IPv4-mapped"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfc00..=0xfdff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2001, 0xdb8, ..] | [0x3fff, ..] => Some("documentation"),
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] | [0x64, 0xff9b, ..] => Some("tunnelled"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

/// The policy in one dyno's name: tells its log what was refused.
#[derive(Clone)]
pub(crate) struct Gate {
    policy: Egress,
    voice: Arc<Voice>,
    told: Arc<AtomicU32>,
}

impl Gate {
    pub(crate) fn new(policy: Egress, voice: Arc<Voice>) -> Gate {
        Gate {
            policy,
            voice,
            told: Arc::default(),
        }
    }

    /// Whether `addr` may be dialled; a refusal is told to the log.
    pub(crate) fn dial(&self, addr: SocketAddr) -> bool {
        match self.policy.check(addr.ip()) {
            Ok(()) => true,
            Err(kind) => {
                self.refused(addr, kind);
                false
            }
        }
    }

    fn refused(&self, addr: SocketAddr, kind: &str) {
        if self.told.fetch_add(1, Ordering::Relaxed) < REFUSALS_TOLD_MAX {
            self.voice.platform(&format!(
                "Outbound connection to {addr} refused: a {kind} address, which apps may not reach; \
                 the operator of the server can allow it"
            ));
        }
    }

    /// What a socket may do: connect and send by the policy, never listen.
    pub(crate) fn socket(&self, addr: SocketAddr, reason: SocketAddrUse) -> bool {
        match reason {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                self.dial(addr)
            }
            // What connecting and sending do by themselves; a chosen port or address is a server's.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                addr.ip().is_unspecified() && addr.port() == 0
            }
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ip: &str, policy: Egress) -> bool {
        policy.check(ip.parse().expect("an address")).is_ok()
    }

    #[test]
    fn only_public_addresses_are_open() {
        let closed = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::8.8.8.8",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "100::1",
        ];
        for ip in closed {
            assert!(!open(ip, Egress::default()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(open(ip, Egress::default()), "{ip}");
        }
    }

    #[test]
    fn loopback_opens_loopback_only() {
        let local = Egress {
            loopback: Allow::Yes,
        };
        assert!(open("127.0.0.1", local) && open("::1", local));
        assert!(!open("10.0.0.1", local) && !open("::ffff:127.0.0.1", local));
    }
}

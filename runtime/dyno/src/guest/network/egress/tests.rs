//! Tests of the policy, address by address, and of the text format of openings.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::{ClosedAddress, EgressOpening, EgressPolicy, MachineAddresses};

/// This machine's addresses in these tests.
const OWN: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(9, 9, 9, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2a00, 0, 0, 0, 0, 0, 0, 1)),
];

fn verdict(egress: &EgressPolicy, reach: &[&str], addr: &str) -> Result<(), ClosedAddress> {
    let addr: SocketAddr = addr.parse().expect("an address and a port");
    let reach: BTreeSet<_> = reach
        .iter()
        .map(|end| end.parse().expect("an endpoint"))
        .collect();
    egress.check_address(addr, &reach, &MachineAddresses::from_list(&OWN))
}

fn allowing(openings: &[&str]) -> EgressPolicy {
    let openings = openings
        .iter()
        .map(|text| text.parse().expect("an opening"));
    EgressPolicy {
        allowed: openings.collect(),
        listening: [8080, 8081].into(),
        ..EgressPolicy::default()
    }
}

#[test]
fn only_public_addresses_are_open() {
    let closed = [
        ("0.0.0.0", ClosedAddress::ThisNetwork),
        ("0.1.2.3", ClosedAddress::ThisNetwork),
        ("10.0.0.1", ClosedAddress::Private),
        ("100.64.0.1", ClosedAddress::Shared),
        ("127.0.0.1", ClosedAddress::Loopback),
        ("127.255.0.9", ClosedAddress::Loopback),
        ("169.254.169.254", ClosedAddress::LinkLocal),
        ("172.16.0.1", ClosedAddress::Private),
        ("172.31.255.255", ClosedAddress::Private),
        ("192.0.0.8", ClosedAddress::Special),
        ("192.88.99.1", ClosedAddress::Special),
        ("192.168.1.1", ClosedAddress::Private),
        ("198.18.0.1", ClosedAddress::Special),
        ("203.0.113.7", ClosedAddress::Documentation),
        ("224.0.0.1", ClosedAddress::Multicast),
        ("240.0.0.1", ClosedAddress::Reserved),
        ("255.255.255.255", ClosedAddress::Reserved),
        ("9.9.9.1", ClosedAddress::Own),
        ("[::]", ClosedAddress::ThisNetwork),
        ("[::1]", ClosedAddress::Loopback),
        ("[::ffff:8.8.8.8]", ClosedAddress::Mapped),
        ("[::ffff:127.0.0.1]", ClosedAddress::Mapped),
        ("[::8.8.8.8]", ClosedAddress::Compatible),
        ("[fe80::1]", ClosedAddress::LinkLocal),
        ("[fec0::1]", ClosedAddress::Reserved),
        ("[fd00::1]", ClosedAddress::Private),
        ("[ff02::1]", ClosedAddress::Multicast),
        ("[2001:db8::1]", ClosedAddress::Documentation),
        ("[2001::1]", ClosedAddress::Tunnelled),
        ("[2002:7f00:1::]", ClosedAddress::Tunnelled),
        ("[64:ff9b::7f00:1]", ClosedAddress::Tunnelled),
        ("[64:ff9b:1::a00:1]", ClosedAddress::Tunnelled),
        ("[100::1]", ClosedAddress::Reserved),
        ("[2a00::1]", ClosedAddress::Own),
    ];
    for (ip, why) in closed {
        assert_eq!(
            verdict(&EgressPolicy::default(), &[], &format!("{ip}:80")),
            Err(why),
            "{ip}"
        );
    }
    for ip in [
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "9.9.9.2",
        "[2606:4700::1111]",
        "[2a00::2]",
    ] {
        assert_eq!(
            verdict(&EgressPolicy::default(), &[], &format!("{ip}:80")),
            Ok(()),
            "{ip}"
        );
    }
}

#[test]
fn operator_settings_open_networks_and_ports() {
    let egress = allowing(&[
        "10.0.0.0/8:5432",
        "127.0.0.0/8",
        "[fd00::]/8:6379",
        "9.9.9.1",
    ]);
    for open in [
        "10.1.2.3:5432",
        "127.0.0.1:80",
        "[fd00::5]:6379",
        "9.9.9.1:22",
    ] {
        assert_eq!(verdict(&egress, &[], open), Ok(()), "{open}");
    }
    for closed in [
        "10.1.2.3:80",
        "192.168.0.1:5432",
        "[::1]:80",
        "[fd00::5]:80",
        "[::ffff:10.0.0.1]:5432",
    ] {
        assert!(verdict(&egress, &[], closed).is_err(), "{closed}");
    }
}

#[test]
fn platform_ports_are_opened_only_by_naming_the_port() {
    let broad = allowing(&["0.0.0.0/0", "::/0"]);
    for here in [
        "127.0.0.1:8081",
        "9.9.9.1:8080",
        "0.0.0.0:8081",
        "[::1]:8081",
        "[::ffff:127.0.0.1]:8081",
    ] {
        assert_eq!(
            verdict(&broad, &[], here),
            Err(ClosedAddress::Platform),
            "{here}"
        );
    }
    // The same port on another machine.
    assert_eq!(verdict(&broad, &[], "10.0.0.1:8081"), Ok(()));
    let exact = allowing(&["127.0.0.1:8081"]);
    assert_eq!(verdict(&exact, &[], "127.0.0.1:8081"), Ok(()));
}

#[test]
fn no_setting_opens_the_port_of_a_dyno() {
    let egress = allowing(&["0.0.0.0/0", "::/0", "127.0.0.1:40000"]);
    assert_eq!(verdict(&egress, &[], "127.0.0.1:40000"), Ok(()));
    assert!(egress.dynos.insert(40_000) && !egress.dynos.insert(40_000));
    for here in [
        "127.0.0.1:40000",
        "127.9.9.9:40000",
        "0.0.0.0:40000",
        "9.9.9.1:40000",
        "[::1]:40000",
    ] {
        assert_eq!(
            verdict(&egress, &[here], here),
            Err(ClosedAddress::Dyno),
            "{here}"
        );
    }
    assert_eq!(verdict(&egress, &[], "8.8.8.8:40000"), Ok(()));
    assert!(egress.dynos.remove(40_000) && !egress.dynos.remove(40_000));
    assert_eq!(verdict(&egress, &[], "127.0.0.1:40000"), Ok(()));
}

#[test]
fn a_release_reaches_its_endpoints_exactly() {
    let egress = EgressPolicy::default();
    let reach = ["10.0.0.5:5432", "[fd00::5]:6379", "db.internal:5432"];
    assert_eq!(verdict(&egress, &reach, "10.0.0.5:5432"), Ok(()));
    assert_eq!(verdict(&egress, &reach, "[fd00::5]:6379"), Ok(()));
    for closed in ["10.0.0.5:80", "10.0.0.6:5432", "[fd00::5]:5432"] {
        assert_eq!(
            verdict(&egress, &reach, closed),
            Err(ClosedAddress::Private),
            "{closed}"
        );
    }
}

#[test]
fn the_suggested_flag_opens_exactly_the_refused_address() {
    for addr in [
        "10.0.0.5:5432",
        "[fd00::5]:6379",
        "127.0.0.1:1",
        "9.9.9.1:80",
    ] {
        let parsed: SocketAddr = addr.parse().expect("an address");
        let why = verdict(&EgressPolicy::default(), &[], addr).expect_err("closed");
        let remedy = EgressPolicy::default()
            .opening_command(parsed, why)
            .expect("a remedy");
        let flag = remedy
            .strip_prefix("dyno serve --egress-allow ")
            .expect("the command");
        assert_eq!(verdict(&allowing(&[flag]), &[], addr), Ok(()), "{remedy}");
        let mut other = parsed;
        other.set_port(parsed.port() + 1);
        assert!(
            verdict(&allowing(&[flag]), &[], &other.to_string()).is_err(),
            "{remedy}"
        );
    }
    let dyno = "127.0.0.1:80".parse().expect("an address");
    assert_eq!(
        EgressPolicy::default().opening_command(dyno, ClosedAddress::Dyno),
        None
    );
}

#[test]
fn errors_about_openings_name_the_mistake() {
    for (text, said) in [
        ("", "10.0.0.0/8"),
        ("db.internal:5432", "10.0.0.0/8"),
        ("10.0.0.0/33", "10.0.0.0/8"),
        ("10.0.0.5/8", "write 10.0.0.0/8"),
        ("10.0.0.5:0", "port"),
        ("10.0.0.5:x", "port"),
        ("10.0.0.5:+1", "port"),
        ("[fd00::1]:99999", "port"),
        ("[10.0.0.1]:5", "10.0.0.0/8"),
        ("[fd00::1", "10.0.0.0/8"),
    ] {
        let error = text.parse::<EgressOpening>().expect_err(text).to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
}

/// Addresses that the standard library knows to be special.
fn plainly_closed(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.to_ipv4().is_some()
        }
    }
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    // Addresses that mean or embed an IPv4 address, which random ones would never hit.
    let holding = (any::<u32>(), 0..5usize).prop_map(|(bits, form)| {
        let bits = u128::from(bits);
        let prefixes = [
            0,
            0xffff << 32,
            0x64_ff9b << 96,
            0x2002 << 112 | bits << 80,
            0x2001 << 112,
        ];
        IpAddr::V6(Ipv6Addr::from_bits(prefixes[form] | bits))
    });
    prop_oneof![v4, v6, holding]
}

proptest! {
    #[test]
    fn special_purpose_addresses_are_closed(ip in addresses(), port in 1u16..) {
        let open = verdict(&EgressPolicy::default(), &[], &SocketAddr::new(ip, port).to_string()).is_ok();
        prop_assert!(!(open && plainly_closed(ip)), "{ip}");
        if let IpAddr::V6(ip) = ip {
            prop_assert!(!open || ip.segments()[0] >> 13 == 1, "{ip} is not global unicast");
            prop_assert!(!open || !matches!(ip.segments(), [0x2002, ..] | [0x2001, 0, ..]), "{ip} is tunnelled");
        }
    }

    #[test]
    fn an_opening_parses_from_its_text(ip in addresses(), prefix in 0u8..=128, port in proptest::option::of(1u16..)) {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let network = ipnet::IpNet::new(ip, prefix.min(most)).expect("a prefix").trunc();
        let opening = EgressOpening { network, port };
        prop_assert_eq!(opening.to_string().parse(), Ok(opening));
        let addr = SocketAddr::new(network.addr(), port.unwrap_or(80));
        prop_assert!(opening.contains(addr));
    }
}

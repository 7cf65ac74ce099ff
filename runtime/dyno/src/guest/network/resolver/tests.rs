//! Tests of the lookup of names.

use std::net::Ipv4Addr;

use super::*;

#[test]
fn a_name_that_is_far_too_long_is_not_read() {
    let label = format!("xn--{}.", "a".repeat(2_000));
    let name = label.repeat(10_000);
    assert!(matches!(parse(&name), Err(LookupError::Invalid)));
}

#[test]
fn an_address_in_any_writing_is_that_address() {
    for text in [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "127.0.0.1.",
    ] {
        let host: url::Host = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            host,
            url::Host::<String>::Ipv4(Ipv4Addr::LOCALHOST),
            "{text}"
        );
    }
    for text in ["::1", "[::1]", "0:0::1"] {
        let host: url::Host = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            host,
            url::Host::<String>::Ipv6(std::net::Ipv6Addr::LOCALHOST),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_name_is_never_asked_for() {
    let long = format!("{}.test", "a.".repeat(130));
    for text in [
        "",
        "a b",
        "256.256.256.256",
        "1.2.3.4.5",
        "a/b",
        "x@y",
        "%00",
        "[::1",
        &long,
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

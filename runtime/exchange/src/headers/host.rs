//! The syntax of `Host` (RFC 9110, 7.2).
//!
//! Must not know which hostnames exist.

use std::net::Ipv6Addr;

/// The host of `host[:port]`, or `None` if `authority` has any other form (a list, user information, a path, blanks).
pub fn host_without_port(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (&authority[..address.len() + 2], port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(end);
            let is_name_byte =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            if host.is_empty() || !host.bytes().all(is_name_byte) {
                return None;
            }
            (host, port)
        }
    };
    let digits = match port.strip_prefix(':') {
        Some(digits) => digits,
        None if port.is_empty() => return Some(host),
        None => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = digits.is_empty() || digits.parse::<u16>().is_ok();
    (is_number && in_range).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_separated_from_a_valid_port() {
        for (authority, host) in [
            ("hello.localhost", "hello.localhost"),
            ("hello.localhost:8080", "hello.localhost"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("a_b.example", "a_b.example"),
            ("a:", "a"),
        ] {
            assert_eq!(host_without_port(authority), Some(host), "{authority}");
        }
    }

    #[test]
    fn anything_but_one_host_and_port_is_refused() {
        for authority in [
            "", ":80", "a,b", "u@a", "a/b", "a b", "a:b", "a:99999", "a:80:80", "a:+80", "[::1",
            "[::g]", "[::1]x", "a?b", "a#b", "a\\b", "a%00",
        ] {
            assert_eq!(host_without_port(authority), None, "{authority}");
        }
    }
}

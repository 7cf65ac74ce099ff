//! Looks names up with the system's resolver (hosts file, name service, DNS), within limits.
//!
//! Owns the number of lookups and their longest time. Must not know which addresses are open.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::guest::network::shared::AppNetwork;

/// Lookups of one dyno at a time. Further lookups wait.
const LOOKUPS_PER_DYNO_MAX: usize = 8;
/// The longest time of a lookup, including its wait for other lookups: twice the time that the system's resolver
/// waits for a server.
const LOOKUP_MAX: Duration = Duration::from_secs(10);
/// The most addresses that are taken from one answer.
const ADDRESSES_MAX: usize = 32;
/// The longest name, in bytes (RFC 1035).
const NAME_BYTES_MAX: usize = 253;

/// The longest text that is parsed as a name, in bytes: a percent-encoded letter takes three bytes, and letters of
/// other scripts become longer in ASCII.
const WRITING_BYTES_MAX: usize = 4 * NAME_BYTES_MAX;

/// The reason why a name has no addresses.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LookupError {
    /// The text is neither a name nor an address.
    #[error("neither a name nor an address")]
    Invalid,
    /// The name does not exist.
    #[error("no such name")]
    Unknown,
    /// The name's servers do not answer, or there are too many lookups.
    #[error("the name's servers do not answer")]
    Timeout,
    /// The system's resolver reports a temporary failure.
    #[error("the name cannot be resolved now")]
    Temporary,
}

/// Looks names up for one dyno.
#[derive(Clone)]
pub(crate) struct NameResolver {
    app: Arc<AppNetwork>,
    own: Arc<Semaphore>,
}

impl NameResolver {
    pub(crate) fn new(app: Arc<AppNetwork>) -> NameResolver {
        NameResolver {
            app,
            own: Arc::new(Semaphore::new(LOOKUPS_PER_DYNO_MAX)),
        }
    }

    /// Looks up the addresses of `name`, in the resolver's order. An address in any notation that browsers accept
    /// (`2130706433`, `0x7f.1`, `[::1]`) resolves to itself.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        match parse_host(name)? {
            url::Host::Ipv4(ip) => Ok(vec![ip.into()]),
            url::Host::Ipv6(ip) => Ok(vec![ip.into()]),
            url::Host::Domain(name) => {
                let found = tokio::time::timeout(LOOKUP_MAX, self.look_up(name)).await;
                found.unwrap_or(Err(LookupError::Timeout))
            }
        }
    }

    /// Whether `name` is invalid, which needs no lookup.
    pub(crate) fn is_invalid(name: &str) -> bool {
        parse_host(name).is_err()
    }

    async fn look_up(&self, name: String) -> Result<Vec<IpAddr>, LookupError> {
        let closed = |_| LookupError::Temporary;
        let _own = self.own.acquire().await.map_err(closed)?;
        let app = Arc::clone(&self.app.lookups).acquire_owned().await;
        let app = app.map_err(closed)?;
        let all = Arc::clone(&self.app.node.lookups).acquire_owned().await;
        let all = all.map_err(closed)?;
        // The thread runs on after the caller has given up, so its permits are returned when it ends.
        let asked = tokio::task::spawn_blocking(move || {
            let _places = (app, all);
            let found = (name.as_str(), 0).to_socket_addrs()?;
            let mut addresses: Vec<IpAddr> = Vec::new();
            for ip in found.map(|found| found.ip().to_canonical()) {
                if addresses.len() < ADDRESSES_MAX && !addresses.contains(&ip) {
                    addresses.push(ip);
                }
            }
            Ok(addresses)
        });
        let found: io::Result<Vec<IpAddr>> = asked.await.map_err(|_| LookupError::Temporary)?;
        match found {
            Ok(addresses) if addresses.is_empty() => Err(LookupError::Unknown),
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(classify_error(&error)),
        }
    }
}

/// Classifies an error. The standard library passes on the text of `gai_strerror`, not the error number.
fn classify_error(error: &io::Error) -> LookupError {
    let text = error.to_string();
    // `EAI_AGAIN` in the words of glibc and of musl.
    match text.contains("Temporary failure") || text.contains("Try again") {
        true => LookupError::Temporary,
        false => LookupError::Unknown,
    }
}

/// Parses a host as the URL standard does: text that looks like a number is an address or invalid, and letters of
/// other scripts become ASCII.
fn parse_host(name: &str) -> Result<url::Host, LookupError> {
    // This check comes first, since parsing takes time quadratic in the length.
    if name.len() > WRITING_BYTES_MAX {
        return Err(LookupError::Invalid);
    }
    if let Ok(ip) = name.parse::<std::net::Ipv6Addr>() {
        return Ok(url::Host::Ipv6(ip));
    }
    match url::Host::parse(name) {
        Ok(url::Host::Domain(name)) if name.len() > NAME_BYTES_MAX => Err(LookupError::Invalid),
        Ok(host) => Ok(host),
        Err(_) => Err(LookupError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_far_too_long_name_is_refused_without_parsing() {
        let label = format!("xn--{}.", "a".repeat(2_000));
        let name = label.repeat(10_000);
        assert!(matches!(parse_host(&name), Err(LookupError::Invalid)));
    }

    #[test]
    fn all_notations_of_an_address_give_the_same_address() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "0x7f.1",
            "127.0.0.1.",
        ] {
            let host: url::Host =
                parse_host(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                host,
                url::Host::<String>::Ipv4(Ipv4Addr::LOCALHOST),
                "{text}"
            );
        }
        for text in ["::1", "[::1]", "0:0::1"] {
            let host: url::Host =
                parse_host(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                host,
                url::Host::<String>::Ipv6(std::net::Ipv6Addr::LOCALHOST),
                "{text}"
            );
        }
    }

    #[test]
    fn invalid_names_are_never_looked_up() {
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
            assert!(parse_host(text).is_err(), "{text}");
        }
    }
}

//! The hosts at which the API answers.
//!
//! A web page can have its own hostname resolve to this server (DNS rebinding); the browser then lets the page read the
//! responses. Such a request names the page's host. The API therefore answers only at its own hosts: loopback, the
//! address that the client connected to, `api.localhost`, `api.` before the server's domain, and the hosts that the
//! operator adds.
//!
//! Owns this list, and how the host of a request is read. Must not know routes.

use crate::addresses::LocalAddress;
use crate::failure::ApiFailure;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version, header};
use grid::name::{Hostname, HostnameError};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The label before the server's domain at which the API answers.
const API_LABEL: &str = "api";

/// A hostname or an address at which the API answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiHost {
    /// A hostname, such as that of a proxy in front of the server.
    Name(Hostname),
    /// An address that is not this machine's own, such as that of a router in front of the server.
    Address(IpAddr),
}

impl FromStr for ApiHost {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, HostnameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        match strip_brackets(text).parse::<IpAddr>() {
            Ok(address) => Ok(ApiHost::Address(address.to_canonical())),
            Err(_) => Ok(ApiHost::Name(text.to_ascii_lowercase().parse()?)),
        }
    }
}

impl fmt::Display for ApiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiHost::Name(name) => fmt::Display::fmt(name, f),
            ApiHost::Address(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// The hosts of the API, apart from the address of each connection.
#[derive(Debug)]
pub(crate) struct AllowedHosts(BTreeSet<ApiHost>);

impl AllowedHosts {
    pub(crate) fn new(domain: &Hostname, more: &[ApiHost]) -> Self {
        let own = ["localhost", "api.localhost"].map(str::to_owned);
        let own = [own.as_slice(), &[format!("{API_LABEL}.{domain}")]].concat();
        // With a domain of nearly 253 characters, the name with the label is too long and is left out.
        let own = own.iter().filter_map(|name| name.parse().ok());
        AllowedHosts(own.chain(more.iter().cloned()).collect())
    }

    /// Refuses a request for another host. A request has a host in its `Host` fields, in its target, or in both (RFC 9112
    /// 3.2.2, RFC 9113 8.3.1); all of them must be allowed.
    pub(crate) fn check(&self, request: &Request) -> Result<(), ApiFailure> {
        let local = request.extensions().get::<LocalAddress>();
        let local = local.map(|local| local.0.to_canonical());
        let mut has_host = false;
        let fields = request.headers().get_all(header::HOST).iter();
        for field in fields {
            let authority = field.to_str().ok().and_then(|text| text.parse().ok());
            self.check_host(authority.as_ref(), local)?;
            has_host = true;
        }
        if let Some(authority) = request.uri().authority() {
            self.check_host(Some(authority), local)?;
            has_host = true;
        }
        // HTTP/1.0 has no Host field. Load balancers read `/healthz` this way; browsers never use HTTP/1.0.
        if has_host || request.version() < Version::HTTP_11 {
            return Ok(());
        }
        Err(misdirected("the request has no Host header"))
    }

    fn check_host(
        &self,
        authority: Option<&Authority>,
        local: Option<IpAddr>,
    ) -> Result<(), ApiFailure> {
        let plain = authority.filter(|authority| !authority.as_str().contains('@'));
        let host = plain.and_then(|authority| authority.host().parse::<ApiHost>().ok());
        let Some(host) = host else {
            return Err(misdirected("the Host header names no host"));
        };
        let is_own = match &host {
            ApiHost::Address(address) => address.is_loopback() || Some(*address) == local,
            ApiHost::Name(_) => false,
        };
        if is_own || self.0.contains(&host) {
            return Ok(());
        }
        Err(misdirected(&format!(
            "the API does not answer at the host {host}: use the URL that `dyno serve` prints, or, if {host} is a \
             name of this server, start it with `dyno serve --api-domain {host}`"
        )))
    }
}

fn misdirected(message: &str) -> ApiFailure {
    ApiFailure::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected_request",
        message,
    )
}

fn strip_brackets(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn hosts(more: &[&str]) -> AllowedHosts {
        let more: Vec<ApiHost> = more
            .iter()
            .map(|text| text.parse().expect("a host"))
            .collect();
        AllowedHosts::new(&"example.com".parse().expect("a domain"), &more)
    }

    fn is_allowed(hosts: &AllowedHosts, host: &str) -> bool {
        let mut request = Request::new(Body::empty());
        let value = host.parse().expect("a field value");
        request.headers_mut().insert(header::HOST, value);
        let local = LocalAddress("10.0.0.5".parse().expect("an address"));
        request.extensions_mut().insert(local);
        hosts.check(&request).is_ok()
    }

    #[test]
    fn dns_rebinding_is_refused_and_own_hosts_are_allowed() {
        let hosts = hosts(&["Deploy.Example.net.", "203.0.113.7", "[2001:db8::7]"]);
        for own in [
            "localhost",
            "LOCALHOST:8081",
            "localhost.",
            "127.0.0.1:8081",
            "127.8.9.1",
            "[::1]:8081",
            "10.0.0.5:8081",
            "api.example.com",
            "deploy.example.net:443",
            "203.0.113.7",
            "[2001:db8::7]:8081",
        ] {
            assert!(is_allowed(&hosts, own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "app.localhost",
            "example.com",
            "shop.example.com",
            "xapi.example.com",
            "10.0.0.6",
            "0.0.0.0:8081",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost/..",
            "",
            ":8081",
        ] {
            assert!(!is_allowed(&hosts, foreign), "{foreign}");
        }
    }

    #[test]
    fn hosts_in_target_and_field_must_both_be_allowed_rfc9112_3_2_2_rfc9113_8_3_1() {
        let hosts = hosts(&[]);
        let request = |uri: &str, fields: &[&str]| {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = uri.parse().expect("a URI");
            for field in fields {
                let value = field.parse().expect("a field value");
                request.headers_mut().append(header::HOST, value);
            }
            request
        };
        let answers = |uri, fields: &[&str]| hosts.check(&request(uri, fields)).is_ok();
        assert!(answers("http://localhost/metrics", &[]));
        assert!(!answers("http://evil.example/metrics", &["localhost"]));
        assert!(!answers("http://localhost/metrics", &["evil.example"]));
        assert!(!answers("/metrics", &["localhost", "evil.example"]));
        assert!(!answers("/metrics", &[]), "HTTP/1.1 without a host");
        let mut old = request("/healthz", &[]);
        *old.version_mut() = Version::HTTP_10;
        assert!(hosts.check(&old).is_ok(), "HTTP/1.0 has no Host field");
    }
}

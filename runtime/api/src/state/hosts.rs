//! The host names that the API answers at.
//!
//! A web page on a name of its own can have that name resolve to this server (DNS rebinding), and the browser then lets
//! the page read the answers. Such a request names the page's host, so the API answers only to names that are its own:
//! loopback, the address that the connection came in at, `api.localhost` and `api.` before the server's domain, and what
//! the operator adds.
//!
//! Owns that list, and how a request's host is read. Must not know routes.

use crate::failure::Failure;
use crate::server::LocalAddress;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version, header};
use grid::name::{Hostname, HostnameError};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The label before the server's domain that is the API's.
const API_LABEL: &str = "api";

/// A host name or an address at which the API answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiHost {
    /// A name, such as that of a proxy in front.
    Name(Hostname),
    /// An address that is not this machine's own, such as that of a router in front.
    Address(IpAddr),
}

impl FromStr for ApiHost {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, HostnameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        match unbracketed(text).parse::<IpAddr>() {
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

/// All hosts of the API, beside the address of each connection.
#[derive(Debug)]
pub(crate) struct ApiHosts(BTreeSet<ApiHost>);

impl ApiHosts {
    pub(crate) fn new(domain: &Hostname, more: &[ApiHost]) -> Self {
        let own = ["localhost", "api.localhost"].map(str::to_owned);
        let own = [own.as_slice(), &[format!("{API_LABEL}.{domain}")]].concat();
        // A domain of nearly 253 characters leaves no room for the label.
        let own = own.iter().filter_map(|name| name.parse().ok());
        ApiHosts(own.chain(more.iter().cloned()).collect())
    }

    /// Refuses a request that names another host.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Failure> {
        let local = request.extensions().get::<LocalAddress>();
        let local = local.map(|local| local.0.to_canonical());
        let mut named = false;
        let fields = request.headers().get_all(header::HOST).iter();
        for field in fields {
            let authority = field.to_str().ok().and_then(|text| text.parse().ok());
            self.check_host(authority.as_ref(), local)?;
            named = true;
        }
        if let Some(authority) = request.uri().authority() {
            self.check_host(Some(authority), local)?;
            named = true;
        }
        // Load balancers ask for `/healthz` like this, and browsers never do.
        if named || request.version() < Version::HTTP_11 {
            return Ok(());
        }
        Err(misdirected("the request has no Host header"))
    }

    fn check_host(
        &self,
        authority: Option<&Authority>,
        local: Option<IpAddr>,
    ) -> Result<(), Failure> {
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

fn misdirected(message: &str) -> Failure {
    Failure::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected_request",
        message,
    )
}

fn unbracketed(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn hosts(more: &[&str]) -> ApiHosts {
        let more: Vec<ApiHost> = more
            .iter()
            .map(|text| text.parse().expect("a host"))
            .collect();
        ApiHosts::new(&"example.com".parse().expect("a domain"), &more)
    }

    fn asks(hosts: &ApiHosts, host: &str) -> bool {
        let mut request = Request::new(Body::empty());
        let value = host.parse().expect("a field value");
        request.headers_mut().insert(header::HOST, value);
        let local = LocalAddress("10.0.0.5".parse().expect("an address"));
        request.extensions_mut().insert(local);
        hosts.check(&request).is_ok()
    }

    #[test]
    fn dns_rebinding_is_refused_and_own_names_are_answered() {
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
            assert!(asks(&hosts, own), "{own}");
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
            assert!(!asks(&hosts, foreign), "{foreign}");
        }
    }

    #[test]
    fn the_target_of_a_request_counts_as_its_host_field_does() {
        // RFC 9112 3.2.2, RFC 9113 8.3.1: the target's authority is the host.
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

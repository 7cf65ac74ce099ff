//! The URL of a server's API.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use serde::{Deserialize, Serialize};

/// Scheme, host and port, such as `http://127.0.0.1:8081`. Normalized, so that each server has only one URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ServerUrl {
    text: String,
    loopback: bool,
    secure: bool,
}

/// A text that is not the URL of a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerUrlError(String);

impl fmt::Display for ServerUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerUrlError(text) = self;
        write!(
            f,
            "{text:?} is not a server's URL: write it as http://127.0.0.1:8081, without path or password"
        )
    }
}

impl std::error::Error for ServerUrlError {}

impl ServerUrl {
    /// Whether the host is a loopback address of this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether others on the network can read the traffic: plain HTTP to another machine.
    pub(crate) fn is_open(&self) -> bool {
        !self.secure && !self.loopback
    }
}

/// Parses a URL. The default scheme is `http` for loopback hosts, and `https` for others.
impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<ServerUrl, ServerUrlError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        // Text before an `@` may be a password and is not printed.
        let wrong = || ServerUrlError(text.rsplit('@').next().unwrap_or_default().to_owned());
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let host = authority.host().to_ascii_lowercase();
        let plain = !authority.as_str().contains('@') && !rest.contains('?');
        if uri.path() != "/" || !plain || host.is_empty() {
            return Err(wrong());
        }
        let loopback = is_loopback(&host);
        let secure = match scheme.as_deref() {
            Some("http") => false,
            Some("https") => true,
            None => !loopback,
            Some(_) => return Err(wrong()),
        };
        let scheme = if secure { "https" } else { "http" };
        let port = authority
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        let text = format!("{scheme}://{host}{port}");
        Ok(ServerUrl {
            text,
            loopback,
            secure,
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = ServerUrlError;

    fn try_from(text: String) -> Result<ServerUrl, ServerUrlError> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> String {
        url.text
    }
}

#[cfg(test)]
mod tests;

//! A server's API, as the commands use it.
//!
//! Owns how requests are made, which server and app are meant, and what a failure is called. Must not know commands
//! nor how anything is shown. The API's own objects are in `types`.

pub(crate) mod credentials;
mod error_json;
mod response;
mod target;
pub(crate) mod types;
pub(crate) mod url;

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{HeaderValue, Method, Request, Uri};
use serde_json::Value;
use ureq::{Agent, Body, SendBody};

pub(crate) use described::described;
use response::ApiError;
pub(crate) use response::{Answer, Unreachable, is_not_found};
use target::NamedBy;
pub(crate) use target::{App, Server, server_url};
pub(crate) use url::ServerUrl;

/// Until a server on the network answers a knock.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until an answer begins: longer than the longest wait that is asked of a server, see [`WAIT_SECS_MAX`].
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// Until a slug is digested, checked and on the server's disk.
const UPLOAD_ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a server lets a request wait for what becomes of a release, at most.
pub(crate) const WAIT_SECS_MAX: u64 = 60;
/// The largest answer that is read, streams apart.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Items of a page of a list.
const PAGE_ITEMS: usize = 1_000;
/// Apps that are named when another one is not there.
const APPS_NAMED: usize = 20;
/// Pages of a list, at most: a server that never comes to an end is broken.
const PAGES_MAX: usize = 1_000;

const USER_AGENT: &str = concat!("dyno/", env!("CARGO_PKG_VERSION"));

/// One server, spoken to with one token. Clones share connections.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    url: ServerUrl,
    token: String,
    /// What named the app that requests are about.
    named_by: Option<NamedBy>,
}

impl Client {
    pub(crate) fn new(url: ServerUrl, token: String) -> Client {
        let mut config = Agent::config_builder()
            .user_agent(USER_AGENT)
            .http_status_as_error(false)
            // A token goes nowhere but to its server.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT));
        if url.is_loopback() {
            config = config.proxy(None);
        }
        let agent = config.build().into();
        Client {
            agent,
            url,
            token,
            named_by: None,
        }
    }

    /// The same, for requests about an app that this has named: an app that is not there is explained.
    fn naming_apps_by(mut self, named_by: NamedBy) -> Client {
        self.named_by = Some(named_by);
        self
    }

    pub(crate) fn url(&self) -> &ServerUrl {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        self.call(self.request(Method::GET, path, SendBody::none())?)
    }

    /// What is at `path`, if there is such a thing.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Answer>> {
        let mut plain = self.clone();
        plain.named_by = None;
        match plain.get(path) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A whole list, page by page.
    pub(crate) fn list(&self, path: &str) -> Result<Answer> {
        let mut all: Vec<Value> = Vec::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let page = self.get(&format!("{path}{joint}limit={PAGE_ITEMS}{after}"))?;
            let types::Page { items, next } = page.read()?;
            all.extend(items);
            match next {
                Some(next) => after = format!("&after={}", escape(&next)),
                None => {
                    return Ok(Answer::of(
                        serde_json::json!({ "items": all, "next": null }),
                    ));
                }
            }
        }
        anyhow::bail!("{} gives a list without an end: {path}", self.url)
    }

    /// Creates something. Sent twice, through whatever chance, it is done once.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let mut request = self.of_json(Method::POST, path, body)?;
        let key = idempotency_key()
            .parse()
            .context("a key is a header's value")?;
        request.headers_mut().insert("idempotency-key", key);
        self.call(request)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        self.call(self.of_json(Method::PATCH, path, body)?)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Answer> {
        self.call(self.request(Method::DELETE, path, SendBody::none())?)
    }

    /// Uploads `bytes` bytes; `read` has as many.
    pub(crate) fn put(&self, path: &str, mut read: impl Read, bytes: u64) -> Result<Answer> {
        let body = SendBody::from_reader(&mut read);
        let mut request = self.request(Method::PUT, path, body)?;
        let headers = request.headers_mut();
        headers.insert("content-length", bytes.into());
        let media_type = HeaderValue::from_static(slugs::MEDIA_TYPE);
        headers.insert("content-type", media_type);
        let configured = self
            .agent
            .configure_request(request)
            .timeout_recv_response(Some(UPLOAD_ANSWER_TIMEOUT))
            .build();
        self.answer(self.agent.run(configured))
    }

    /// Sends what `read` gives as it comes, to its end, for however long that takes.
    pub(crate) fn pour(&self, path: &str, mut read: impl Read) -> Result<Answer> {
        let body = SendBody::from_reader(&mut read);
        let mut request = self.request(Method::PUT, path, body)?;
        let media_type = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert("content-type", media_type);
        let configured = self
            .agent
            .configure_request(request)
            .timeout_recv_response(None)
            .build();
        self.answer(self.agent.run(configured))
    }

    /// Text that comes as it is made, for as long as the server sends it.
    pub(crate) fn stream(&self, path: &str) -> Result<impl Read + 'static> {
        let request = self.request(Method::GET, path, SendBody::none())?;
        let response = self
            .agent
            .run(request)
            .map_err(|error| self.failed(error))?;
        if response.status().is_success() {
            return Ok(response.into_body().into_reader());
        }
        Err(self
            .answer(Ok(response))
            .err()
            .context("a failure has a reason")?)
    }

    fn request<'a>(
        &self,
        method: Method,
        path: &str,
        body: SendBody<'a>,
    ) -> Result<Request<SendBody<'a>>> {
        let uri: Uri = format!("{}{path}", self.url)
            .parse()
            .context("a path is part of a URL")?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json, text/plain")
            .body(body);
        // The reason would name no secret, but it is the token that has a sign that no header takes.
        request.map_err(|_| {
            anyhow::anyhow!(
                "the token is no token: log in again with `dyno login {}`",
                self.url
            )
        })
    }

    fn of_json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Request<SendBody<'static>>> {
        let mut request = self.request(method, path, SendBody::from_json(body)?)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
        Ok(request)
    }

    fn call(&self, request: Request<SendBody<'_>>) -> Result<Answer> {
        self.answer(self.agent.run(request))
    }

    fn answer(&self, response: Result<http::Response<Body>, ureq::Error>) -> Result<Answer> {
        let mut response = response.map_err(|error| self.failed(error))?;
        let text = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .lossy_utf8(true)
            .read_to_string()
            .map_err(|error| self.failed(error))?;
        let (parts, _) = response.into_parts();
        Answer::read_from(&self.url, &parts, &text).map_err(|error| self.explain(error))
    }

    /// Says of an app that is not there where its name came from, and which ones are.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(named_by) = self.named_by else {
            return error;
        };
        match error.downcast::<ApiError>() {
            Ok(refused) if refused.is_no_such_app() => {
                let apps = self.apps().unwrap_or_default();
                refused
                    .explained(format!("{named_by}{apps}; name another one with -a"))
                    .into()
            }
            Ok(refused) => refused.into(),
            Err(error) => error,
        }
    }

    /// `; apps there: blog, shop`
    fn apps(&self) -> Result<String> {
        let mut plain = self.clone();
        plain.named_by = None;
        let page = plain.get(&format!("/v1/apps?limit={}", APPS_NAMED + 1))?;
        let types::Items { items } = page.read::<types::Items<types::App>>()?;
        let names: Vec<&str> = items
            .iter()
            .take(APPS_NAMED)
            .map(|app| app.name.as_str())
            .collect();
        let more = if items.len() > APPS_NAMED {
            " and more (`dyno apps`)"
        } else {
            ""
        };
        Ok(match names.is_empty() {
            true => "; there are no apps yet".to_owned(),
            false => format!(
                "; apps there: {}{more}",
                crate::terminal::clean(&names.join(", "))
            ),
        })
    }

    fn failed(&self, error: ureq::Error) -> anyhow::Error {
        response::unreachable(&self.url, error)
    }
}

/// Text as part of a query.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Different for every call of every run: 128 bits from the system's chance.
fn idempotency_key() -> String {
    use std::hash::{BuildHasher, RandomState};
    let half = |salt: u8| RandomState::new().hash_one((std::process::id(), salt));
    format!("{:016x}{:016x}", half(0), half(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_letter_is_escaped() {
        assert_eq!(escape("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(escape("a b&c=é/"), "a%20b%26c%3D%C3%A9%2F");
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let keys: std::collections::BTreeSet<String> =
            (0..100).map(|_| idempotency_key()).collect();
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| key.len() == 32));
    }
}

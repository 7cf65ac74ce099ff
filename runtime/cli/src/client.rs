//! The client of a server's API, for the commands.
//!
//! Owns how requests are made, which server and app are meant, and how a failure is reported. Must not know commands
//! nor how anything is shown. The JSON types are those of [`api::resource`].

pub(crate) mod credentials;
mod error_json;
mod response;
mod target;
pub(crate) mod url;

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result};
use api::resource::{AppResource, IDEMPOTENCY_KEY_HEADER, PageResource};
use http::{HeaderValue, Method, Request, Response, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};
use ureq::{Agent, Body, SendBody};

pub(crate) use error_json::error_to_json;
use response::ApiError;
pub(crate) use response::{ApiResponse, Unreachable, is_not_found};
use target::AppNameSource;
pub(crate) use target::{RemoteApp, RemoteServer, server_url};
pub(crate) use url::ServerUrl;

use crate::terminal::clean;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to begin its response: longer than a request may wait for a release, see
/// [`RELEASE_WAIT_SECS_MAX`](api::resource::RELEASE_WAIT_SECS_MAX).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a server may take to respond to an upload: it digests, checks and stores the slug first.
const UPLOAD_RESPONSE_TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes of a response, at most, except a stream.
const RESPONSE_BYTES_MAX: u64 = 64 << 20;
/// Items of a page of a list.
const PAGE_ITEMS: usize = 1_000;
/// Pages of a list, at most: a server whose list has no end is broken.
const PAGES_MAX: usize = 1_000;
/// How many existing apps the message about a missing app names.
const APPS_NAMED_MAX: usize = 20;
/// Bytes of a random idempotency key.
const KEY_BYTES: usize = 16;

const USER_AGENT: &str = concat!("dyno/", env!("CARGO_PKG_VERSION"));

/// All characters but those that RFC 3986 2.3 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client of one server, with one token. Clones share connections.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    url: ServerUrl,
    token: String,
    /// The source of the app's name, for error messages.
    app_name_source: Option<AppNameSource>,
}

impl Client {
    pub(crate) fn new(url: ServerUrl, token: String) -> Client {
        let mut config = Agent::config_builder()
            .user_agent(USER_AGENT)
            .http_status_as_error(false)
            // A redirect would send the token to another server.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(RESPONSE_TIMEOUT));
        if url.is_loopback() {
            config = config.proxy(None);
        }
        let agent = config.build().into();
        Client {
            agent,
            url,
            token,
            app_name_source: None,
        }
    }

    /// Adds the source of the app's name to errors about a missing app.
    fn with_app_name_source(mut self, source: AppNameSource) -> Client {
        self.app_name_source = Some(source);
        self
    }

    pub(crate) fn url(&self) -> &ServerUrl {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> Result<ApiResponse> {
        self.send(self.request(Method::GET, path, SendBody::none())?)
    }

    /// The resource at `path`; none if the server answers with 404.
    pub(crate) fn find(&self, path: &str) -> Result<Option<ApiResponse>> {
        match self.without_app_name_source().get(path) {
            Ok(response) => Ok(Some(response)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A whole list, read page by page.
    pub(crate) fn list(&self, path: &str) -> Result<ApiResponse> {
        let mut all: Vec<Value> = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut after = String::new();
        for _ in 0..PAGES_MAX {
            let page = self.get(&format!("{path}{separator}limit={PAGE_ITEMS}{after}"))?;
            let PageResource { items, next } = page.read()?;
            all.extend(items);
            match next {
                Some(next) => after = format!("&after={}", escape(&next)),
                None => {
                    let list = json!({ "items": all, "next": null });
                    return Ok(ApiResponse::from_json(list));
                }
            }
        }
        anyhow::bail!("{} gives a list without an end: {path}", self.url)
    }

    /// Creates something. Carries an idempotency key: if the request reaches the server twice, it is carried out once.
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> Result<ApiResponse> {
        let mut request = self.json_request(Method::POST, path, body)?;
        let key = new_idempotency_key()?;
        let key = key.parse().context("a key is a header's value")?;
        request.headers_mut().insert(IDEMPOTENCY_KEY_HEADER, key);
        self.send(request)
    }

    pub(crate) fn patch(&self, path: &str, body: &impl Serialize) -> Result<ApiResponse> {
        self.send(self.json_request(Method::PATCH, path, body)?)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<ApiResponse> {
        self.send(self.request(Method::DELETE, path, SendBody::none())?)
    }

    /// Uploads a slug of `bytes` bytes.
    pub(crate) fn upload_slug(
        &self,
        path: &str,
        mut slug: impl Read,
        bytes: u64,
    ) -> Result<ApiResponse> {
        let body = SendBody::from_reader(&mut slug);
        let mut request = self.request(Method::PUT, path, body)?;
        let headers = request.headers_mut();
        headers.insert("content-length", bytes.into());
        let media_type = HeaderValue::from_static(slugs::MEDIA_TYPE);
        headers.insert("content-type", media_type);
        let configured = self
            .agent
            .configure_request(request)
            .timeout_recv_response(Some(UPLOAD_RESPONSE_TIMEOUT))
            .build();
        self.read_response(self.agent.run(configured))
    }

    /// Sends `input` to its end as it comes, without a limit on the time.
    pub(crate) fn send_stream(&self, path: &str, mut input: impl Read) -> Result<ApiResponse> {
        let body = SendBody::from_reader(&mut input);
        let mut request = self.request(Method::PUT, path, body)?;
        let media_type = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert("content-type", media_type);
        let configured = self
            .agent
            .configure_request(request)
            .timeout_recv_response(None)
            .build();
        self.read_response(self.agent.run(configured))
    }

    /// Opens a response that the server goes on sending, such as a log.
    pub(crate) fn open_stream(&self, path: &str) -> Result<impl Read + 'static> {
        let request = self.request(Method::GET, path, SendBody::none())?;
        let response = self
            .agent
            .run(request)
            .map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response.into_body().into_reader());
        }
        Err(self
            .read_response(Ok(response))
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
        // Only the token can hold a character that no header field takes. The error does not say which field it is.
        request.map_err(|_| {
            anyhow::anyhow!(
                "the token is no token: log in again with `dyno login {}`",
                self.url
            )
        })
    }

    fn json_request(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Request<SendBody<'static>>> {
        let mut request = self.request(method, path, SendBody::from_json(body)?)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
        Ok(request)
    }

    fn send(&self, request: Request<SendBody<'_>>) -> Result<ApiResponse> {
        self.read_response(self.agent.run(request))
    }

    fn read_response(&self, response: Result<Response<Body>, ureq::Error>) -> Result<ApiResponse> {
        let mut response = response.map_err(|error| self.unreachable(error))?;
        let text = response
            .body_mut()
            .with_config()
            .limit(RESPONSE_BYTES_MAX)
            .lossy_utf8(true)
            .read_to_string()
            .map_err(|error| self.unreachable(error))?;
        let (parts, _) = response.into_parts();
        ApiResponse::parse(&self.url, &parts, &text).map_err(|error| self.explain(error))
    }

    /// Adds to the error about a missing app where its name comes from, and which apps exist.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let Some(source) = self.app_name_source else {
            return error;
        };
        match error.downcast::<ApiError>() {
            Ok(refused) if refused.is_no_such_app() => {
                let apps = self.describe_existing_apps().unwrap_or_default();
                refused
                    .with_explanation(format!("{source}{apps}; name another one with -a"))
                    .into()
            }
            Ok(refused) => refused.into(),
            Err(error) => error,
        }
    }

    /// Text such as `; apps there: blog, shop`.
    fn describe_existing_apps(&self) -> Result<String> {
        let client = self.without_app_name_source();
        let page = client.get(&format!("/v1/apps?limit={}", APPS_NAMED_MAX + 1))?;
        let PageResource { items, .. } = page.read::<PageResource<AppResource>>()?;
        if items.is_empty() {
            return Ok("; there are no apps yet".to_owned());
        }
        let named = items.iter().take(APPS_NAMED_MAX);
        let names: Vec<&str> = named.map(|app| app.name.as_str()).collect();
        let more = if items.len() > APPS_NAMED_MAX {
            " and more (`dyno apps`)"
        } else {
            ""
        };
        Ok(format!("; apps there: {}{more}", clean(&names.join(", "))))
    }

    /// A client whose errors are not explained: its requests do not come from the command line.
    fn without_app_name_source(&self) -> Client {
        let mut client = self.clone();
        client.app_name_source = None;
        client
    }

    fn unreachable(&self, error: ureq::Error) -> anyhow::Error {
        response::unreachable_error(&self.url, error)
    }
}

/// Text as a part of a path or a query, percent-encoded.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A new key: 128 random bits as hexadecimal digits.
fn new_idempotency_key() -> Result<String> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_but_unreserved_characters_are_escaped_rfc3986_2_3() {
        assert_eq!(escape("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(escape("a b&c=é/"), "a%20b%26c%3D%C3%A9%2F");
    }

    #[test]
    fn idempotency_keys_differ() {
        let keys: BTreeSet<String> = (0..100)
            .map(|_| new_idempotency_key().expect("random bytes"))
            .collect();
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| key.len() == 32));
    }
}

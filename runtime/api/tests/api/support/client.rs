//! A client of the API over a real socket. Checks every answer against the document.

use super::Server;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::sync::LazyLock;
use tokio::net::TcpStream;

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        match self.text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")),
        }
    }

    /// The message of a refusal with this status and id.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, id: &str) -> String {
        let json = self.ok(status);
        assert_eq!(json["id"], id, "{}", self.text);
        json["message"].as_str().expect("a message").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends a request with any headers.
pub(crate) async fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Incoming> {
    let stream = TcpStream::connect(server.address).await.expect("a server");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    sender.send_request(request).await.expect("an answer")
}

/// Sends a request, reads the whole answer, and checks the answer against the document.
pub(crate) async fn call(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let response = send(server, method, path, headers, body).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text,
    };
    expect_documented(method, path, parts.status, &answer);
    answer
}

/// Sends a GET with this `Host`.
pub(crate) async fn call_at(
    server: &Server,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let headers = [headers, &[("host", host)]].concat();
    call(server, "GET", path, &headers, "").await
}

/// The status of a GET with this `Host`, over the given version of HTTP.
pub(crate) async fn call_at_in(server: &Server, version: Version, host: &str, path: &str) -> u16 {
    if version < Version::HTTP_2 {
        return call_at(server, host, path, &[]).await.status;
    }
    let stream = TcpStream::connect(server.address).await.expect("a server");
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.expect("a handshake");
    tokio::spawn(connection);
    let request = Request::get(format!("http://{host}{path}"))
        .body(Full::new(Bytes::new()))
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    response.status().as_u16()
}

impl Server {
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        call(self, "GET", path, &[("authorization", &bearer)], "").await
    }

    pub(crate) async fn delete(&self, token: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        call(self, "DELETE", path, &[("authorization", &bearer)], "").await
    }

    pub(crate) async fn json(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        call(self, method, path, &headers, body.to_string()).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.json(token, "POST", path, body).await
    }

    pub(crate) async fn patch(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.json(token, "PATCH", path, body).await
    }

    pub(crate) async fn put(&self, token: &str, path: &str, body: Vec<u8>) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", slugs::MEDIA_TYPE),
        ];
        call(self, "PUT", path, &headers, body).await
    }
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(api::document);

/// The path template of the document that matches `path`.
pub(crate) fn template(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.keys().map(String::as_str).find(|template| {
        let known: Vec<&str> = template.split('/').collect();
        let same = |(known, part): (&&str, &&str)| known.starts_with('{') || known == part;
        known.len() == parts.len() && known.iter().zip(&parts).all(same)
    })
}

fn expect_documented(method: &str, path: &str, status: StatusCode, answer: &Answer) {
    if !status.is_success() {
        let json: Value = serde_json::from_str(&answer.text).expect("a refusal is JSON");
        let is_readiness = path == "/readyz";
        let keys = json
            .as_object()
            .map(|object| object.keys().cloned().collect::<Vec<_>>());
        assert!(
            is_readiness || keys == Some(vec!["id".into(), "message".into()]),
            "{json}"
        );
    }
    let Some(template) = template(path) else {
        assert_eq!(status, StatusCode::NOT_FOUND, "{path} is not documented");
        return;
    };
    let operation = &DOCUMENT["paths"][template][method.to_ascii_lowercase()];
    if operation.is_null() {
        assert_eq!(
            status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {template} is not documented"
        );
        return;
    }
    let response = &operation["responses"][status.as_str()];
    assert!(
        !response.is_null(),
        "{method} {template}: {status} is not documented"
    );
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let documented = match response["content"].as_object() {
        Some(content) => content.contains_key(kind),
        None => kind.is_empty(),
    };
    assert!(
        documented,
        "{method} {template}: {status} with {kind:?} is not documented"
    );
}

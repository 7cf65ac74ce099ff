//! What a request brings: names in its path, a query, a JSON body, an idempotency key.
//!
//! Owns reading and bounding them, and what is said when they are wrong. Must not know what they are for.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::state::State;
use axum::RequestExt;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use control::ledger::IdempotencyKey;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// A JSON body, in bytes: config vars of 64 KiB, and room for escapes.
pub(crate) const JSON_BYTES_MAX: usize = 128 * 1024;
/// How long a client may take to send a JSON body.
const JSON_TIMEOUT: Duration = Duration::from_secs(30);
/// The header by which a client names a request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The one name in the path, or both of them. What is no name names nothing: 404.
pub(crate) struct Path<T>(pub(crate) T);

impl<A> FromRequestParts<State> for Path<A>
where
    A: FromStr<Err: Display> + Send,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        let names = names(parts, state).await?;
        match names.as_slice() {
            [only] => Ok(Path(parsed(only)?)),
            _ => Err(Failure::internal()),
        }
    }
}

/// The two names in the path.
pub(crate) struct Path2<A, B>(pub(crate) A, pub(crate) B);

impl<A, B> FromRequestParts<State> for Path2<A, B>
where
    A: FromStr<Err: Display> + Send,
    B: FromStr<Err: Display> + Send,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        let names = names(parts, state).await?;
        match names.as_slice() {
            [first, second] => Ok(Path2(parsed(first)?, parsed(second)?)),
            _ => Err(Failure::internal()),
        }
    }
}

async fn names(parts: &mut Parts, state: &State) -> Result<Vec<String>, Failure> {
    let raw = RawPathParams::from_request_parts(parts, state).await;
    let raw = raw.map_err(|_| Failure::not_found("the path is not UTF-8"))?;
    Ok(raw.iter().map(|(_, value)| value.to_owned()).collect())
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error: T::Err| Failure::not_found(error.to_string()))
}

/// The query; a name that is not known is refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<State> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let axum::extract::Query(query) = query.map_err(|rejection| {
            Failure::bad_request("bad_query", crate::failure::chain(&rejection))
        })?;
        Ok(Query(query))
    }
}

/// Who asks for a change, and what is asked for.
pub(crate) struct Asked<T> {
    pub(crate) caller: Caller,
    pub(crate) body: T,
    /// By which a repeated request is known.
    pub(crate) key: Option<IdempotencyKey>,
}

impl<T: DeserializeOwned> FromRequest<State> for Asked<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &State) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        if !is_json(&parts.headers) {
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body must be JSON: send the header Content-Type: application/json",
            ));
        }
        let bytes = read(Request::from_parts(parts.clone(), body)).await?;
        let body = parsed_json(&bytes)?;
        let key = key(&parts, &caller, &bytes)?;
        Ok(Asked { caller, body, key })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read(request: Request) -> Result<Bytes, Failure> {
    let body = Limited::new(request.with_limited_body().into_body(), JSON_BYTES_MAX);
    let Ok(read) = tokio::time::timeout(JSON_TIMEOUT, body.collect()).await else {
        let secs = JSON_TIMEOUT.as_secs();
        let message = format!("the body did not arrive within {secs} seconds");
        return Err(Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            message,
        ));
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let kib = JSON_BYTES_MAX / 1024;
            let message = format!("the body has more than {kib} KiB");
            Err(Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                message,
            ))
        }
        Err(_) => Err(Failure::bad_request("bad_body", "the body broke off")),
    }
}

/// Reads a body, which is an object: a list of the same values would pass for one otherwise.
fn parsed_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let body = serde_json::from_slice(bytes).map_err(|error| json_failure(&error))?;
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Failure::invalid(
            "invalid_body",
            "the body must be an object, not a list",
        ));
    }
    Ok(body)
}

/// What is no JSON is a bad request; what is JSON of another form cannot be worked on.
fn json_failure(error: &serde_json::Error) -> Failure {
    match error.classify() {
        serde_json::error::Category::Data => {
            Failure::invalid("invalid_body", without_values(&error.to_string()))
        }
        _ => Failure::bad_request("bad_json", format!("the body is not JSON: {error}")),
    }
}

/// What serde says of a value in the wrong place, without the value, which may be a secret.
fn without_values(message: &str) -> String {
    let quotes = ["invalid type: ", "invalid value: ", "invalid length "];
    if !quotes.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    let expected = message.rsplit_once(", expected ");
    let what = expected.map_or("something else", |(_, what)| what);
    format!("a value is not as it should be: expected {what}")
}

/// The client's key for this request. Each token has its own keys, so that no caller meets another's.
fn key(parts: &Parts, caller: &Caller, body: &[u8]) -> Result<Option<IdempotencyKey>, Failure> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let bad = |message: String| Failure::bad_request("bad_idempotency_key", message);
    let text = value
        .to_str()
        .map_err(|_| bad(control::ledger::IdempotencyKeyError.to_string()))?;
    let mut request = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    request.extend_from_slice(body);
    IdempotencyKey::new(text, &request).map_err(|error| bad(error.to_string()))?;
    let own = format!("{}:{:x}", caller.token.id, Sha256::digest(text));
    let own = IdempotencyKey::new(&own, &request).map_err(|error| bad(error.to_string()))?;
    Ok(Some(own))
}

/// A list of objects; see [`parsed_json`].
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: DeserializeOwned,
{
    use serde::Deserialize;
    use serde::de::Error;
    let objects = Vec::<serde_json::Map<String, serde_json::Value>>::deserialize(deserializer)?;
    let read = |object| serde_json::from_value(serde_json::Value::Object(object));
    objects
        .into_iter()
        .map(|object| read(object).map_err(D::Error::custom))
        .collect()
}

/// A whole number that may be absent; `2.0` is one too, as JSON has no other numbers.
pub(crate) fn whole<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Option<u32>, D::Error> {
    use serde::Deserialize;
    use serde::de::Error;
    let number = serde_json::Number::deserialize(given)?;
    let bad = || {
        D::Error::custom(format!(
            "{number} is no whole number from 0 to {}",
            u32::MAX
        ))
    };
    let float = number.as_f64().ok_or_else(bad)?;
    if float.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&float) {
        return Err(bad());
    }
    // Checked: it is whole, and within the range.
    Ok(Some(float as u32))
}

/// A field that may be absent, and is not `null` if it is there.
pub(crate) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

//! A request with a JSON body, and its idempotency key.
//!
//! Owns reading and bounding the body, and the failures of a wrong one. Must not know what a body is for.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::resource::IDEMPOTENCY_KEY_HEADER;
use crate::state::ApiState;
use axum::RequestExt;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use control::ledger::{IdempotencyKey, IdempotencyKeyError};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Bytes of a JSON body: 64 KiB of config vars, and as much for escapes.
const JSON_BYTES_MAX: usize = 128 * 1024;
/// How long a client may take to send a JSON body.
const JSON_TIMEOUT: Duration = Duration::from_secs(30);

/// A request for a change: its caller, its body, and its idempotency key.
pub(crate) struct JsonRequest<T> {
    pub(crate) caller: Caller,
    pub(crate) body: T,
    /// Identifies repetitions of the request; none if the client sent no key.
    pub(crate) key: Option<IdempotencyKey>,
}

impl<T: DeserializeOwned> FromRequest<ApiState> for JsonRequest<T> {
    type Rejection = ApiFailure;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiFailure> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        if !is_json(&parts.headers) {
            return Err(ApiFailure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body must be JSON: send the header Content-Type: application/json",
            ));
        }
        let bytes = read_body(Request::from_parts(parts.clone(), body)).await?;
        let body = parse_object(&bytes)?;
        let key = idempotency_key(&parts, &caller, &bytes)?;
        Ok(JsonRequest { caller, body, key })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read_body(request: Request) -> Result<Bytes, ApiFailure> {
    let body = Limited::new(request.with_limited_body().into_body(), JSON_BYTES_MAX);
    let Ok(read) = tokio::time::timeout(JSON_TIMEOUT, body.collect()).await else {
        let secs = JSON_TIMEOUT.as_secs();
        let message = format!("the body did not arrive within {secs} seconds");
        return Err(ApiFailure::new(
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
            Err(ApiFailure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                message,
            ))
        }
        Err(_) => Err(ApiFailure::bad_request("bad_body", "the body broke off")),
    }
}

/// Parses a body that must be an object. serde alone would also accept a list of the same values.
fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiFailure> {
    let body = serde_json::from_slice(bytes).map_err(|error| json_failure(&error))?;
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiFailure::unprocessable(
            "invalid_body",
            "the body must be an object, not a list",
        ));
    }
    Ok(body)
}

/// Text that is not JSON is a bad request (400); JSON of another form cannot be processed (422).
fn json_failure(error: &serde_json::Error) -> ApiFailure {
    match error.classify() {
        serde_json::error::Category::Data => {
            ApiFailure::unprocessable("invalid_body", without_values(&error.to_string()))
        }
        _ => ApiFailure::bad_request("bad_json", format!("the body is not JSON: {error}")),
    }
}

/// serde's message on a value of the wrong type, without the value, which may be a secret.
fn without_values(message: &str) -> String {
    let quotes_value = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .any(|start| message.starts_with(start));
    if !quotes_value {
        return message.to_owned();
    }
    let expected = message.rsplit_once(", expected ");
    let expected = expected.map_or("something else", |(_, expected)| expected);
    format!("a value is not as it should be: expected {expected}")
}

/// The client's key for this request, combined with its token: the same key of another token is another key.
fn idempotency_key(
    parts: &Parts,
    caller: &Caller,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, ApiFailure> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY_HEADER) else {
        return Ok(None);
    };
    let refused = |message: String| ApiFailure::bad_request("bad_idempotency_key", message);
    let text = value
        .to_str()
        .map_err(|_| refused(IdempotencyKeyError.to_string()))?;
    let mut request = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    request.extend_from_slice(body);
    IdempotencyKey::new(text, &request).map_err(|error| refused(error.to_string()))?;
    let own = format!("{}:{:x}", caller.token.id, Sha256::digest(text));
    let own = IdempotencyKey::new(&own, &request).map_err(|error| refused(error.to_string()))?;
    Ok(Some(own))
}

//! What a request is answered that cannot be granted: a status, and `{"id", "message"}`.
//!
//! Owns the form. Must not know which failures there are, nor config values: a message never holds one.

mod conversions;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A refusal. Boxed, since it is large and rare.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    id: &'static str,
    message: String,
    retry_secs: Option<u64>,
}

/// Why a request was not granted.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
struct Body<'a> {
    /// What kind of failure it is, for programs.
    #[schema(pattern = "^[a-z_]+$")]
    id: &'a str,
    /// What is wrong and what to do, for people.
    message: &'a str,
}

/// Marks a response that was made here, so that the guard leaves it alone.
#[derive(Clone, Copy)]
pub(crate) struct Ours;

impl Failure {
    pub(crate) fn new(status: StatusCode, id: &'static str, message: impl Into<String>) -> Self {
        Failure(Box::new(Parts {
            status,
            id,
            message: message.into(),
            retry_secs: None,
        }))
    }

    pub(crate) fn bad_request(id: &'static str, message: impl Into<String>) -> Self {
        Failure::new(StatusCode::BAD_REQUEST, id, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Something that the body names is not there.
    pub(crate) fn missing(id: &'static str, message: impl Into<String>) -> Self {
        Failure::new(StatusCode::NOT_FOUND, id, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn conflict(id: &'static str, message: impl Into<String>) -> Self {
        Failure::new(StatusCode::CONFLICT, id, message)
    }

    pub(crate) fn invalid(id: &'static str, message: impl Into<String>) -> Self {
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, id, message)
    }

    pub(crate) fn unavailable(id: &'static str, message: impl Into<String>) -> Self {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, id, message)
    }

    /// It is our own fault, and must not happen.
    pub(crate) fn internal() -> Self {
        let message = "the server failed at this request; its log has more";
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Says when to try again, in seconds.
    pub(crate) fn retry_after(mut self, secs: u64) -> Self {
        self.0.retry_secs = Some(secs);
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Parts {
            status,
            id,
            message,
            retry_secs,
        } = &*self.0;
        let mut response = (*status, axum::Json(Body { id, message })).into_response();
        let headers = response.headers_mut();
        if let Some(secs) = retry_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*secs));
        }
        if *status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Ours);
        response
    }
}

/// An error with all that led to it, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

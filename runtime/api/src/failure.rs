//! The response to a request that is refused: a status, and `{"id", "message"}`.
//!
//! Owns its form. Must not know config values: a message never holds one.

mod conversions;

use crate::resource::FailureResource;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::error::Error;

/// Why a request is refused. Boxed, since a failure is large and rare.
#[derive(Debug)]
pub(crate) struct ApiFailure(Box<FailureParts>);

#[derive(Debug)]
struct FailureParts {
    status: StatusCode,
    id: &'static str,
    message: String,
    retry_secs: Option<u64>,
}

/// Marks a response as one of this crate's own: the guard does not replace its body.
#[derive(Clone, Copy)]
pub(crate) struct OwnResponse;

impl ApiFailure {
    pub(crate) fn new(status: StatusCode, id: &'static str, message: impl Into<String>) -> Self {
        ApiFailure(Box::new(FailureParts {
            status,
            id,
            message: message.into(),
            retry_secs: None,
        }))
    }

    pub(crate) fn bad_request(id: &'static str, message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::BAD_REQUEST, id, message)
    }

    /// The path names something that does not exist.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The body, or the last part of the path, names something that does not exist; `id` says which kind of thing.
    pub(crate) fn not_found_with_id(id: &'static str, message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::NOT_FOUND, id, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn conflict(id: &'static str, message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::CONFLICT, id, message)
    }

    pub(crate) fn unprocessable(id: &'static str, message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::UNPROCESSABLE_ENTITY, id, message)
    }

    /// A field has a value that is not allowed.
    pub(crate) fn invalid_value(message: impl Into<String>) -> Self {
        ApiFailure::unprocessable("invalid_value", message)
    }

    pub(crate) fn unavailable(id: &'static str, message: impl Into<String>) -> Self {
        ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, id, message)
    }

    /// A defect of the server.
    pub(crate) fn internal() -> Self {
        let message = "the server failed at this request; see the server's log";
        ApiFailure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Adds a `Retry-After` header, in seconds.
    pub(crate) fn retry_after(mut self, secs: u64) -> Self {
        self.0.retry_secs = Some(secs);
        self
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let FailureParts {
            status,
            id,
            message,
            retry_secs,
        } = *self.0;
        let id = id.to_owned();
        let mut response = (status, axum::Json(FailureResource { id, message })).into_response();
        let headers = response.headers_mut();
        if let Some(secs) = retry_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(OwnResponse);
        response
    }
}

/// An error and its sources, in one line.
pub(crate) fn format_error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

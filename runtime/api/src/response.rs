//! Headers of responses.
//!
//! Owns the header that names a new release. Must not know routes.

use crate::resource::RELEASE_HEADER;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use grid::name::Version;

/// Adds the header that names the release which the request made, if it made one.
pub(crate) fn with_release_header(
    response: impl IntoResponse,
    release: Option<Version>,
) -> Response {
    let mut response = response.into_response();
    let name = release.and_then(|version| HeaderValue::try_from(version.to_string()).ok());
    if let Some(name) = name {
        response.headers_mut().insert(RELEASE_HEADER, name);
    }
    response
}

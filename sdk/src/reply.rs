//! Responses in one call. Each sets its content type and character set, and no other header.

use serde::Serialize;
use wstd::http::{Body, Error, Response, StatusCode};

/// 200 with HTML. Escape untrusted text with [`crate::escape`].
///
/// # Errors
/// None in practice. The type is that of a handler, so that this call can be its last line.
pub fn html(body: impl Into<String>) -> Result<Response<Body>, Error> {
    with(StatusCode::OK, "text/html; charset=utf-8", body.into())
}

/// 200 with plain text.
///
/// # Errors
/// None in practice, as for [`html`].
pub fn text(body: impl Into<String>) -> Result<Response<Body>, Error> {
    status(StatusCode::OK, body)
}

/// 200 with `value` as JSON.
///
/// # Errors
/// If `value` has no form in JSON, such as a map whose keys are not strings.
pub fn json<T: Serialize>(value: &T) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_json(value)?)?)
}

/// Any status with plain text.
///
/// # Errors
/// None in practice, as for [`html`].
pub fn status(status: StatusCode, body: impl Into<String>) -> Result<Response<Body>, Error> {
    with(status, "text/plain; charset=utf-8", body.into())
}

/// 303: the client continues with `GET location`. The usual answer to a form.
///
/// # Errors
/// If `location` has a character that headers cannot have, such as a line break.
pub fn redirect(location: &str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header("location", location)
        .body(Body::empty())?)
}

/// 404.
///
/// # Errors
/// None in practice, as for [`html`].
pub fn not_found() -> Result<Response<Body>, Error> {
    status(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

fn with(status: StatusCode, kind: &str, body: String) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_have_their_content_types() -> Result<(), Error> {
        let page = html("<p>")?;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(json(&[1, 2])?.headers()["content-type"], "application/json");
        assert_eq!(redirect("/done")?.headers()["location"], "/done");
        assert_eq!(not_found()?.status(), 404);
        Ok(())
    }

    #[test]
    fn a_redirect_cannot_carry_a_second_header() {
        assert!(redirect("/\r\nset-cookie: a=b").is_err());
    }
}

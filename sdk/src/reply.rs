//! Responses in one call. Each says its type and its character set; none adds a header that was not asked for.

use serde::Serialize;
use wstd::http::{Body, Error, Response, StatusCode};

/// 200 with HTML. Escape what others wrote: [`crate::escape`].
///
/// # Errors
/// None in practice; the type is a handler's, so that a call can be its last line.
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
/// If `value` cannot be JSON, such as a map whose keys are no texts.
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

/// 303: go and GET `location`; what to answer a form with.
///
/// # Errors
/// If `location` holds what no header may, such as a line break.
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
    fn replies_say_what_they_are() -> Result<(), Error> {
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

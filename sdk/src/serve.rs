//! Runs a handler, and turns its result into a response. Routes are up to the handler.

use wstd::http::{Body, Error, HeaderValue, Request, Response, StatusCode};

use crate::refused::Refused;
use crate::reply;
use crate::request::RequestExt;

/// Runs `handler` and turns its result into a response.
///
/// A [`Refused`] becomes a response with its status and text. Any other error is written to standard error, with the
/// id of the request, and becomes a 500 without details. A body of known length gets a `content-length`.
///
/// # Errors
/// None in practice. The type is that of `wstd`'s handlers, so that this call can be the whole of `main`.
pub async fn serve<H, F>(request: Request<Body>, handler: H) -> Result<Response<Body>, Error>
where
    H: FnOnce(Request<Body>) -> F,
    F: Future<Output = Result<Response<Body>, Error>>,
{
    let id = request.routing().request_id;
    match handler(request).await {
        Ok(response) => Ok(measured(response)),
        Err(error) => failed(&error, id.as_deref()).map(measured),
    }
}

fn failed(error: &Error, request_id: Option<&str>) -> Result<Response<Body>, Error> {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return reply::status(refused.status(), format!("{refused}\n"));
    }
    let id = request_id.unwrap_or("-");
    eprintln!("request_id={id} {error:#}");
    reply::status(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong here. It has been noted.\n",
    )
}

/// Adds a `content-length` if the length is known and the status allows one.
fn measured(mut response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if let (false, Some(length)) = (bodiless, response.body().content_length()) {
        let headers = response.headers_mut();
        headers
            .entry("content-length")
            .or_insert_with(|| HeaderValue::from(length));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn answer(outcome: Result<Response<Body>, Error>) -> Response<Body> {
        let request = Request::get("/").body(Body::empty()).expect("sound");
        let served = pin!(serve(request, |_| async { outcome }));
        match served.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => response.expect("always a response"),
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn the_text_of_a_refusal_is_sent_to_the_client() {
        let response = answer(Err(Refused::new(StatusCode::CONFLICT, "Taken.").into()));
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers()["content-length"], "7");
    }

    #[test]
    fn other_errors_are_not_sent_to_the_client() {
        let response = answer(Err(Error::msg("the password is hunter2")));
        assert_eq!(response.status(), 500);
        let length = response.body().content_length().expect("a text");
        assert_eq!(
            response.headers()["content-length"],
            length.to_string().as_str()
        );
    }

    #[test]
    fn a_response_without_content_has_no_length() {
        let empty = Response::builder().status(204).body(Body::empty());
        let response = answer(empty.map_err(Error::from));
        assert!(!response.headers().contains_key("content-length"));
    }
}

//! What every request passes: it is counted, its host is checked, and whatever goes wrong is answered in our form.
//!
//! Owns the last line of defence. Must not know routes.

use crate::failure::{Failure, Ours};
use crate::state::State;
use axum::extract::{Request, State as With};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

/// Runs a request.
pub(crate) async fn guard(With(state): With<State>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let mut response = match state.0.hosts.check(&request) {
        Err(foreign) => foreign.into_response(),
        Ok(()) => match unwinding(next.run(request)).await {
            Some(response) => ours(response),
            None => Failure::internal().into_response(),
        },
    };
    state.0.counted.request(&method, response.status());
    // Answers hold secrets, and text that apps wrote.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What a future gives, or nothing if it panics.
async fn unwinding<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let polled = AssertUnwindSafe(|| future.as_mut().poll(context));
        match std::panic::catch_unwind(polled) {
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Ok(Poll::Pending) => Poll::Pending,
            // The future is not polled again.
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// A response as it is, or in our form if it is an error of someone else's making.
fn ours(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<Ours>().is_some() {
        return response;
    }
    let mut made = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let message = "this path has other methods: see the header Allow";
            Failure::new(status, "method_not_allowed", message)
        }
        StatusCode::NOT_FOUND => Failure::not_found("there is nothing at this path"),
        _ => Failure::internal(),
    }
    .into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        made.headers_mut().insert(header::ALLOW, allow.clone());
    }
    made
}

/// The answer at paths that are no routes.
pub(crate) async fn nothing_here() -> Failure {
    Failure::not_found("there is nothing at this path: /v1/openapi.json lists what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_nothing_and_all_else_passes() {
        let calm = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(unwinding(calm).await, Some(7));
        let wild = async {
            tokio::task::yield_now().await;
            assert!(tokio::runtime::Handle::try_current().is_err(), "on purpose");
        };
        assert_eq!(unwinding(wild).await, None);
    }

    #[test]
    fn an_error_of_another_makes_one_of_ours() {
        let made = ours(StatusCode::IM_A_TEAPOT.into_response());
        assert_eq!(made.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let left = ours(Failure::bad_request("bad_query", "x").into_response());
        assert_eq!(left.status(), StatusCode::BAD_REQUEST);
        assert_eq!(ours("fine".into_response()).status(), StatusCode::OK);
    }
}

//! The steps around every request's handler: the request is counted, its host is checked, and every error gets the
//! API's JSON form.
//!
//! Owns these steps. Must not know routes.

use crate::failure::{ApiFailure, OwnResponse};
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

/// Passes a request on to its handler.
pub(crate) async fn guard_request(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let mut response = match state.shared.hosts.check(&request) {
        Err(foreign) => foreign.into_response(),
        Ok(()) => match catch_panic(next.run(request)).await {
            Some(response) => with_own_errors(response),
            None => ApiFailure::internal().into_response(),
        },
    };
    state
        .shared
        .metrics
        .count_request(&method, response.status());
    // Responses hold secrets, and text that apps wrote.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The output of a future, or none if it panics.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Option<T> {
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

/// Replaces an error response of axum by one in the API's JSON form.
fn with_own_errors(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<OwnResponse>().is_some() {
        return response;
    }
    let mut own = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let message = "this path has other methods: see the header Allow";
            ApiFailure::new(status, "method_not_allowed", message)
        }
        StatusCode::NOT_FOUND => ApiFailure::not_found("there is nothing at this path"),
        _ => ApiFailure::internal(),
    }
    .into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        own.headers_mut().insert(header::ALLOW, allow.clone());
    }
    own
}

/// The response at paths that no route has.
pub(crate) async fn refuse_unknown_path() -> ApiFailure {
    ApiFailure::not_found("there is nothing at this path: /v1/openapi.json lists what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_caught_and_other_outputs_pass() {
        let calm = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(catch_panic(calm).await, Some(7));
        let panicking = async {
            tokio::task::yield_now().await;
            assert!(tokio::runtime::Handle::try_current().is_err(), "on purpose");
        };
        assert_eq!(catch_panic(panicking).await, None);
    }

    #[test]
    fn errors_of_axum_are_replaced_and_own_errors_pass() {
        let replaced = with_own_errors(StatusCode::IM_A_TEAPOT.into_response());
        assert_eq!(replaced.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let own = ApiFailure::bad_request("bad_query", "x").into_response();
        assert_eq!(with_own_errors(own).status(), StatusCode::BAD_REQUEST);
        let success = with_own_errors("fine".into_response());
        assert_eq!(success.status(), StatusCode::OK);
    }
}

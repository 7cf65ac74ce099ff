//! Shared code of the WASI 0.3 guests: query parameters, response heads, and bodies written by a task that
//! outlives the return of the handler.
//!
//! Must not know single guests or the host.

use std::sync::atomic::{AtomicU64, Ordering};

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::rt::async_support::StreamWriter;
use wasip3::{wit_future, wit_stream};

#[doc(hidden)]
pub use wasip3;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Counts a call: returns 1 for the first call of this instance.
pub fn count_call() -> u64 {
    CALLS.fetch_add(1, Ordering::SeqCst) + 1
}

/// The result of a handler.
pub type Answer = Result<Response, ErrorCode>;

/// Nanoseconds in a millisecond: the clock's unit, and the unit of parameters.
pub const NANOS_PER_MS: u64 = 1_000_000;

/// The request's path without its query.
pub fn path(request: &Request) -> String {
    let target = request.get_path_with_query().unwrap_or_default();
    target.split('?').next().unwrap_or_default().to_owned()
}

/// One parameter of the query string, decoded.
pub fn param(request: &Request, name: &str) -> Option<String> {
    let target = request.get_path_with_query()?;
    let (_, query) = target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// One parameter as a number; `default` if it is missing or is not a number.
pub fn number(request: &Request, name: &str, default: u64) -> u64 {
    param(request, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Sleeps asynchronously, so that the instance can do other work.
pub async fn sleep_ms(ms: u64) {
    wasip3::clocks::monotonic_clock::wait_for(ms * NANOS_PER_MS).await;
}

/// Header fields from pairs that are known to be valid.
pub fn fields(headers: &[(&str, &str)]) -> Fields {
    let list: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&list).expect("the guest sends sound headers")
}

/// A response whose body is written by `write`, after the head is sent.
pub fn streamed<F>(status: u16, fields: Fields, write: impl FnOnce(StreamWriter<u8>) -> F) -> Answer
where
    F: Future<Output = ()> + 'static,
{
    let (sink, contents) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(contents), trailers);
    response
        .set_status_code(status)
        .expect("the guest sends a sound status");
    wasip3::spawn_local(write(sink));
    Ok(response)
}

/// A complete plain-text response.
pub fn text(status: u16, body: impl Into<String>) -> Answer {
    let body = body.into().into_bytes();
    let kind = fields(&[("content-type", "text/plain; charset=utf-8")]);
    streamed(status, kind, |mut sink| async move {
        sink.write_all(body).await;
    })
}

/// Makes an async function the handler of this guest. Every guest also answers `/ok` with `ok N`, where N is
/// the number of this call in this instance: 1 means a fresh instance.
#[macro_export]
macro_rules! guest {
    ($handle:path) => {
        struct Guest;

        impl $crate::wasip3::exports::http::handler::Guest for Guest {
            async fn handle(request: $crate::wasip3::http::types::Request) -> $crate::Answer {
                let call = $crate::count_call();
                match $crate::path(&request).as_str() {
                    "/ok" => $crate::text(200, format!("ok {call}\n")),
                    _ => $handle(request).await,
                }
            }
        }

        $crate::wasip3::http::service::export!(Guest with_types_in $crate::wasip3);

        fn main() {}
    };
}

//! One request through a handler: the call of the guest, for WASI 0.2 and 0.3.
//!
//! Must not know where requests come from, nor what happens to the dyno afterwards.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use exchange::{DynoRequest, Reply, RequestBody};
use http::header::{self, Entry};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, response};
use http_body_util::BodyExt;
use wasmtime::Store;
use wasmtime::component::Access;
use wasmtime::error::Context as _;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{Error, FieldMap, WasiBody, WasiHttpView, p3};

use crate::guest::Guest;
use crate::guest::http::handling::{AnswerSlot, HandleFunction, begin_request, wasi_body_error};
use crate::guest::http::writing::is_without_content;
use crate::instance::outcome::CallOutcome;
use crate::instance::response_pump::ResponsePump;

/// How often a call polls the guest again at once because its output moved, before other tasks may run.
const ROUNDS_MAX: u32 = 16;

/// The handler of an instance, of either version of WASI.
pub(crate) enum GuestHandler {
    P2(HandleFunction),
    P3(Service),
}

impl GuestHandler {
    /// Runs one request. `request` is taken from its place, since each level of the call would otherwise hold a copy.
    ///
    /// # Errors
    /// If the guest trapped: its store must be dropped.
    pub(crate) async fn call(
        &self,
        store: &mut Store<Guest>,
        request: &mut Option<DynoRequest>,
        reply: &mut Reply,
    ) -> wasmtime::Result<CallOutcome> {
        match self {
            GuestHandler::P2(handle) => call_p2(handle, store, request, reply).await,
            // Boxed: this future is larger than all the rest of a call.
            GuestHandler::P3(service) => Box::pin(call_p3(service, store, request, reply)).await,
        }
    }
}

fn take_request(request: &mut Option<DynoRequest>) -> wasmtime::Result<DynoRequest> {
    request.take().context("a request is run once")
}

async fn call_p2(
    handle: &HandleFunction,
    store: &mut Store<Guest>,
    request: &mut Option<DynoRequest>,
    reply: &mut Reply,
) -> wasmtime::Result<CallOutcome> {
    let request = take_request(request)?;
    let is_head_request = request.request.method() == Method::HEAD;
    let (request, outparam, slot) = begin_request(store.data_mut().http_view(), request)?;
    let mut pump = ResponsePump::new(slot, reply, is_head_request);
    let returned = {
        let mut guest = pin!(handle.call_async(&mut *store, (request, outparam)));
        poll_fn(|cx| {
            for _ in 0..ROUNDS_MAX {
                if let Poll::Ready(result) = guest.as_mut().poll(cx) {
                    return Poll::Ready(result);
                }
                if !pump.advance(cx) {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    };
    // The guest has returned: a missing response can no longer arrive. The pump reads from memory only, so tokio's
    // cooperative budget cannot make it look unfinished.
    if let Err(trap) = returned {
        // Send what the guest wrote before the trap, so that the client sees a broken response and not silence.
        poll_fn(|cx| Poll::Ready(pump.advance(cx))).await;
        return Err(trap);
    }
    Ok(poll_fn(|cx| pump.poll_drain(cx)).await)
}

/// Ready when the guest has done with the request's body.
type BodyReceived = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

async fn call_p3(
    service: &Service,
    store: &mut Store<Guest>,
    request: &mut Option<DynoRequest>,
    reply: &mut Reply,
) -> wasmtime::Result<CallOutcome> {
    let mut request = take_request(request)?.into_request();
    let is_head_request = request.method() == Method::HEAD;
    set_authority(&mut request);
    let request = request.map(|body| body.map_err(wasi_body_error));
    store
        .run_concurrent(async |guest| {
            let (request, received) = guest.with(|mut store| {
                let hooks = store.data_mut().http().hooks;
                let (request, received) = p3::Request::from_http(hooks, request);
                // Boxed: the type names the lifetime of `hooks`, although it does not hold them.
                (request, Box::pin(received) as BodyReceived)
            });
            let outcome = match service.handle(guest, request).await? {
                Ok(response) => {
                    let (head, body) = guest
                        .with(|store| open_response(store, response, received, is_head_request))?;
                    let mut pump = ResponsePump::new(AnswerSlot::default(), reply, is_head_request);
                    pump.send_head(head, Some(body));
                    poll_fn(|cx| pump.poll_end(cx)).await
                }
                Err(_) => CallOutcome::Incomplete("the handler answered with an error"),
            };
            // The dyno is free when the guest runs no more, not when its response is out.
            poll_fn(|cx| guest.poll_no_interesting_tasks(cx)).await;
            Ok(outcome)
        })
        .await?
}

/// The head and the body of a 0.3 response.
///
/// The body has its announced length, or ends with an error. If the protocol does not send the body (RFC 9110, 8.6), it
/// may have any length.
fn open_response(
    mut store: Access<'_, Guest>,
    mut response: p3::Response,
    received: BodyReceived,
    is_head_request: bool,
) -> wasmtime::Result<(response::Parts, WasiBody)> {
    let mut lengths = Vec::new();
    if is_head_request || is_without_content(response.status) {
        // The engine would check the body against this header.
        let mut headers = HeaderMap::from(std::mem::take(&mut response.headers));
        if let Entry::Occupied(entry) = headers.entry(header::CONTENT_LENGTH) {
            lengths.extend(entry.remove_entry_mult().1);
        }
        let hooks = store.data_mut().http().hooks;
        response.headers = FieldMap::new_immutable(hooks, headers);
    }
    let response = response.into_http(&mut store, received)?;
    let (mut head, body) = response.into_parts();
    for length in lengths {
        head.headers.append(header::CONTENT_LENGTH, length);
    }
    Ok((head, body))
}

/// Copies `Host` into the URI, the only place where a 0.3 guest finds it.
fn set_authority(request: &mut Request<RequestBody>) {
    if request.uri().authority().is_some() {
        return;
    }
    let host = request.headers().get(header::HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    if authority.is_some() {
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = authority;
        parts
            .path_and_query
            .get_or_insert(PathAndQuery::from_static("/"));
    }
    *request.uri_mut() = http::Uri::from_parts(parts).unwrap_or_default();
}

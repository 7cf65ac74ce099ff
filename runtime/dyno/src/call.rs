//! One request through a guest: the call itself, and the pump that carries the response out.
//!
//! Owns how a `wasi:http` handler is called, 0.2 and 0.3. Must not know where requests come from,
//! nor what becomes of the dyno afterwards.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, Entry};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, StatusCode, response};
use http_body::Body;
use wasmtime::Store;
use wasmtime::component::Access;
use wasmtime::error::Context as _;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{Error, FieldMap, WasiBody, WasiHttpView, p3};

use crate::guest::Guest;
use crate::guest::http::handling::{Handle, Said, Slot, begin_request};
use crate::guest::http::writing::is_without_content;
use crate::program::server::Tunnel;

/// How often a call polls the guest again at once because its output moved, before it lets other
/// tasks run.
const ROUNDS_MAX: u32 = 16;

/// Where a response goes. The sink decides how much it takes; the guest waits as long as it is not
/// ready, so a sink whose client has gone stays ready and throws away.
pub trait ResponseSink: Send + 'static {
    /// Status and headers, once, before any data. `Err` ends the response: it breaks HTTP.
    fn head(&mut self, head: response::Parts) -> Result<(), BadHead>;
    /// Ready when there is room for data.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// The next bytes of the body.
    fn data(&mut self, data: Bytes);
    /// The response is complete. Dropping the sink without this means that it is not.
    fn finish(&mut self, trailers: Option<HeaderMap>);
    /// The response went beyond what HTTP, or this host, takes as one; `cause` says in a word how.
    fn reject(&mut self, cause: &'static str);
    /// What takes the interim responses (1xx but 101) of a server dyno, before its head.
    fn interim(&self) -> Interim {
        Box::new(|_, _| {})
    }
    /// Ready when nobody wants the response any more. Told apart from a response that is complete, since then there
    /// is nothing left to stop.
    fn left(&self) -> Left {
        Box::pin(std::future::pending())
    }
    /// A server dyno took this long to be connected to: nothing, if a connection was kept.
    fn connected(&mut self, took: Duration);
    /// There is no connection to the server dyno; it has seen nothing of the request.
    fn unreachable(&mut self, why: Unreachable);
    /// The server dyno switches protocols: the head, and its side of the bytes that follow. `Err` ends it.
    fn switch(&mut self, head: response::Parts, tunnel: Tunnel) -> Result<(), BadHead>;
}

/// Ready when whoever waited for a response has left.
pub type Left = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the status and the headers of an interim response.
pub type Interim = Box<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

/// Why there is no connection to a server dyno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// It does not listen on its port.
    Refused,
    /// It did not accept in time.
    TimedOut,
}

/// The sink refused the head, for this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadHead(pub &'static str);

/// A request's body, as the guest reads it. An error means that the client sent no more.
pub type RequestBody = WasiBody;

/// Turns headers as they came into what the app is to see.
pub type Told = Box<dyn FnOnce(&mut HeaderMap) + Send>;

/// A request for a dyno.
pub struct Asked {
    /// The request; its headers are not fit to be seen before `told`.
    pub request: Request<RequestBody>,
    /// Called when the app looks at its headers, if it does. None: they are as it is to see them.
    pub told: Option<Told>,
}

impl Asked {
    /// The request with all its headers.
    pub(crate) fn complete(self) -> Request<RequestBody> {
        let Asked { mut request, told } = self;
        if let Some(told) = told {
            told(request.headers_mut());
        }
        request
    }
}

impl From<Request<RequestBody>> for Asked {
    fn from(request: Request<RequestBody>) -> Asked {
        Asked {
            request,
            told: None,
        }
    }
}

/// What the client's side of a request body can fail with, in the guest's words.
pub fn client_gone() -> Error {
    Error::ConnectionTerminated
}

/// How the guest came out of a call, when it did not trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The whole response went to the sink.
    Complete,
    /// The guest returned without a response, or left it incomplete.
    Incomplete(&'static str),
}

/// A handler instance of either world.
pub(crate) enum Handler {
    P2(Handle),
    P3(Service),
}

impl Handler {
    /// Runs one request, which is taken where it is: handed down, each level would hold a copy of it. `Err` means that the
    /// guest trapped and its store must go.
    pub(crate) async fn call(
        &self,
        store: &mut Store<Guest>,
        asked: &mut Option<Asked>,
        sink: &mut impl ResponseSink,
    ) -> wasmtime::Result<Outcome> {
        match self {
            Handler::P2(handle) => call_p2(handle, store, asked, sink).await,
            // Boxed, since it is larger than all the rest of a call.
            Handler::P3(service) => Box::pin(call_p3(service, store, asked, sink)).await,
        }
    }
}

fn take(asked: &mut Option<Asked>) -> wasmtime::Result<Asked> {
    asked.take().context("a request is run once")
}

async fn call_p2(
    handle: &Handle,
    store: &mut Store<Guest>,
    asked: &mut Option<Asked>,
    sink: &mut impl ResponseSink,
) -> wasmtime::Result<Outcome> {
    let asked = take(asked)?;
    let head_only = asked.request.method() == Method::HEAD;
    let (request, outparam, slot) = begin_request(store.data_mut().http_view(), asked)?;
    let mut pump = Pump::new(slot, sink, head_only);
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
    // From here on what is not there will never be. What says so has no part in tokio's budget of a task's turn.
    if let Err(trap) = returned {
        // What it had said goes out first, so that its end shows as a break and not as silence.
        poll_fn(|cx| Poll::Ready(pump.advance(cx))).await;
        return Err(trap);
    }
    Ok(poll_fn(|cx| pump.drain(cx)).await)
}

/// Ready when the guest has done with the request's body.
type Received = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

async fn call_p3(
    service: &Service,
    store: &mut Store<Guest>,
    asked: &mut Option<Asked>,
    sink: &mut impl ResponseSink,
) -> wasmtime::Result<Outcome> {
    let mut request = take(asked)?.complete();
    let head_only = request.method() == Method::HEAD;
    name_authority(&mut request);
    store
        .run_concurrent(async |guest| {
            let (request, received) = guest.with(|mut store| {
                let hooks = store.data_mut().http().hooks;
                let (request, received) = p3::Request::from_http(hooks, request);
                // Boxed, since its type names the lifetime of `hooks`, which it does not hold.
                (request, Box::pin(received) as Received)
            });
            let outcome = match service.handle(guest, request).await? {
                Ok(response) => {
                    let (head, body) =
                        guest.with(|store| open_response(store, response, received, head_only))?;
                    let mut pump = Pump::new(Slot::default(), sink, head_only);
                    pump.head(head, Some(body));
                    poll_fn(|cx| pump.poll(cx)).await
                }
                Err(_) => Outcome::Incomplete("the handler answered with an error"),
            };
            // Free again is a guest that runs no more, not one whose response is out.
            poll_fn(|cx| guest.poll_no_interesting_tasks(cx)).await;
            Ok(outcome)
        })
        .await?
}

/// The head and the body of a 0.3 response. The body has its announced length, or ends with an error; one that the
/// protocol does not send may have any (RFC 9110, 8.6).
fn open_response(
    mut store: Access<'_, Guest>,
    mut response: p3::Response,
    received: Received,
    head_only: bool,
) -> wasmtime::Result<(response::Parts, WasiBody)> {
    let mut lengths = Vec::new();
    if head_only || is_without_content(response.status) {
        // The engine checks the body against this header.
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

/// Puts the `Host` into the URI, from which alone a 0.3 guest learns it.
fn name_authority(request: &mut Request<RequestBody>) {
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

/// What is known of the response so far.
enum Source {
    /// Nothing: the guest has not set it.
    Head(Slot),
    /// The head is with the sink.
    Body(WasiBody),
    /// Nothing more will come.
    Ended(Outcome),
}

/// Carries the response from the guest to the sink, as far as both go.
struct Pump<'a, S> {
    source: Source,
    sink: &'a mut S,
    /// The request is a `HEAD`.
    head_only: bool,
    /// The head is with the sink, and by protocol it is the whole response: what becomes of the body does not matter.
    is_whole: bool,
}

/// Why the pump stands still.
enum Still {
    Guest,
    Sink,
    Ended(Outcome),
}

impl<'a, S: ResponseSink> Pump<'a, S> {
    fn new(slot: Slot, sink: &'a mut S, head_only: bool) -> Pump<'a, S> {
        Pump {
            source: Source::Head(slot),
            sink,
            head_only,
            is_whole: false,
        }
    }

    /// Carries what is there; whether anything moved.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.step(cx).is_none() {
            moved = true;
        }
        moved
    }

    /// Ready when the response has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            match self.step(cx) {
                None => {}
                Some(Still::Ended(outcome)) => return Poll::Ready(outcome),
                Some(Still::Guest | Still::Sink) => return Poll::Pending,
            }
        }
    }

    /// Like [`Pump::poll`] after the guest has returned: what is not there now never comes.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            match self.step(cx) {
                None => {}
                Some(Still::Ended(outcome)) => return Poll::Ready(outcome),
                Some(Still::Sink) => return Poll::Pending,
                Some(Still::Guest) if self.is_whole => self.finish(None),
                Some(Still::Guest) => {
                    let why = match self.source {
                        Source::Head(_) => "the handler returned without a response",
                        _ => "the handler returned before its response was complete",
                    };
                    return Poll::Ready(Outcome::Incomplete(why));
                }
            }
        }
    }

    /// One thing carried, or why none.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<Still> {
        match &mut self.source {
            Source::Head(slot) => match slot.take() {
                Said::Nothing => return Some(Still::Guest),
                Said::Response(head, body) => self.head(head, body),
                Said::Error => self.fail("the handler answered with an error"),
                Said::Dropped => self.fail("the handler dropped its response"),
            },
            Source::Body(body) => {
                if self.sink.poll_ready(cx).is_pending() {
                    return Some(Still::Sink);
                }
                match Pin::new(body).poll_frame(cx) {
                    Poll::Pending => return Some(Still::Guest),
                    Poll::Ready(frame) => self.frame(frame),
                }
            }
            Source::Ended(outcome) => return Some(Still::Ended(*outcome)),
        }
        None
    }

    fn head(&mut self, head: response::Parts, body: Option<WasiBody>) {
        let without_content = self.head_only || is_without_content(head.status);
        let taken = self.sink.head(head);
        self.is_whole = without_content && taken.is_ok();
        match (taken, body) {
            (Ok(()), Some(body)) => self.source = Source::Body(body),
            (Ok(()), None) => self.finish(None),
            (Err(BadHead(why)), _) => self.fail(why),
        }
    }

    fn frame(&mut self, frame: Option<Result<http_body::Frame<Bytes>, Error>>) {
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.sink.data(data),
                Err(frame) => self.finish(frame.into_trailers().ok()),
            },
            Some(Err(_)) if self.is_whole => self.finish(None),
            Some(Err(Error::HttpResponseBodySize(_))) => {
                self.fail("the body does not have its announced length");
            }
            Some(Err(_)) => self.fail("the app broke its response off"),
            None => self.finish(None),
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.sink.finish(trailers);
        self.source = Source::Ended(Outcome::Complete);
    }

    fn fail(&mut self, why: &'static str) {
        self.source = Source::Ended(Outcome::Incomplete(why));
    }
}

//! `incoming-request` and `response-outparam` of `wasi:http/types` 0.2: what a handler receives for each request.
//!
//! The engine creates everything that a guest could ask for in advance, and a channel for the response. This code
//! creates it when the guest asks. Must not know where requests come from, nor what happens to a response.

use std::sync::Arc;

use exchange::{AddForwardedHeaders, DynoRequest, RequestBody, RequestBodyError};
use http::{HeaderMap, HeaderValue, header, request, response};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use parking_lot::Mutex;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    ComponentExportIndex, Instance, InstancePre, Linker, Resource, ResourceType, TypedFunc,
};
use wasmtime::error::Context as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Method, Scheme};
use wasmtime_wasi_http::p2::body::{HostIncomingBody, HyperOutgoingBody};
use wasmtime_wasi_http::p2::types::HostOutgoingResponse;
use wasmtime_wasi_http::{Error, FieldMap, WasiBody};

use crate::guest::http::HTTP_TYPES;
use crate::guest::http::state::{GetHttpView, HttpView};
use crate::guest::http::writing::is_without_content;

/// The interface of the engine's version. A component may have been built for any earlier 0.2 version.
const HANDLER: &str = "wasi:http/incoming-handler@0.2.12";

/// `incoming-request`.
pub(crate) struct IncomingRequest {
    head: request::Parts,
    /// The `Host` header, which guests see as the authority, not as a header.
    host: Option<HeaderValue>,
    /// Created from the head's headers at the guest's first access.
    headers: Option<FieldMap>,
    forwarded_headers: Option<AddForwardedHeaders>,
    body: Option<RequestBody>,
}

impl IncomingRequest {
    pub(crate) fn new(request: DynoRequest) -> IncomingRequest {
        let (mut head, body) = request.request.into_parts();
        IncomingRequest {
            host: head.headers.remove(header::HOST),
            head,
            headers: None,
            forwarded_headers: request.forwarded_headers,
            body: Some(body),
        }
    }

    fn authority(&self) -> Option<&str> {
        let asked = self
            .head
            .uri
            .authority()
            .map(|authority| authority.as_str());
        asked.or_else(|| self.host.as_ref()?.to_str().ok())
    }
}

/// The body as the engine reads it.
fn wasi_body(body: RequestBody) -> WasiBody {
    match body.is_end_stream() {
        // A body of size zero: boxing it allocates nothing.
        true => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        false => body.map_err(wasi_body_error).boxed_unsync(),
    }
}

/// The error that the guest sees when the client stops sending.
pub(crate) fn wasi_body_error(_: RequestBodyError) -> Error {
    Error::ConnectionTerminated
}

/// The answer of a handler.
#[derive(Default)]
pub(crate) enum HandlerAnswer {
    /// No answer yet.
    #[default]
    Nothing,
    Response(response::Parts, Option<HyperOutgoingBody>),
    /// An error instead of a response.
    Error,
    /// The guest dropped the outparam.
    Dropped,
}

/// Where a handler puts its response. It wakes nobody: the guest sets it while it is polled, and the code that polls
/// the guest looks here afterwards.
#[derive(Clone, Default)]
pub(crate) struct AnswerSlot(Arc<Mutex<HandlerAnswer>>);

impl AnswerSlot {
    /// Takes the answer, if one was set since the last call.
    pub(crate) fn take(&self) -> HandlerAnswer {
        std::mem::take(&mut *self.0.lock())
    }

    fn set(&self, said: HandlerAnswer) {
        *self.0.lock() = said;
    }
}

/// `response-outparam`.
pub(crate) struct ResponseOutparam(Option<AnswerSlot>);

impl ResponseOutparam {
    pub(crate) fn new(slot: AnswerSlot) -> ResponseOutparam {
        ResponseOutparam(Some(slot))
    }

    fn set(mut self, said: HandlerAnswer) {
        if let Some(slot) = self.0.take() {
            slot.set(said);
        }
    }
}

impl Drop for ResponseOutparam {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.set(HandlerAnswer::Dropped);
        }
    }
}

/// Begins a request. Returns the arguments of the handler's function, and the slot for its response.
pub(crate) fn begin_request(
    view: HttpView<'_>,
    request: DynoRequest,
) -> wasmtime::Result<(
    Resource<IncomingRequest>,
    Resource<ResponseOutparam>,
    AnswerSlot,
)> {
    let HttpView { state, table } = view;
    let slot = AnswerSlot::default();
    state.head_only = request.request.method() == http::Method::HEAD;
    state.without_content = state.head_only;
    let request = table.push(IncomingRequest::new(request))?;
    let outparam = table.push(ResponseOutparam::new(slot.clone()))?;
    Ok((request, outparam, slot))
}

fn answer_from(answer: Result<HostOutgoingResponse, ErrorCode>) -> HandlerAnswer {
    let Ok(answer) = answer else {
        return HandlerAnswer::Error;
    };
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = answer.status;
    head.headers = HeaderMap::from(answer.headers);
    HandlerAnswer::Response(head, answer.body)
}

/// A handler's function `handle`.
pub(crate) type HandleFunction =
    TypedFunc<(Resource<IncomingRequest>, Resource<ResponseOutparam>), ()>;

/// A linked component with a handler.
pub(crate) struct HandlerPre<T: 'static> {
    pre: InstancePre<T>,
    handle: ComponentExportIndex,
}

impl<T: Send + 'static> HandlerPre<T> {
    ///
    /// # Errors
    /// If the component exports no handler of any 0.2 version.
    pub(crate) fn new(pre: InstancePre<T>) -> wasmtime::Result<HandlerPre<T>> {
        let component = pre.component();
        let handler = component.get_export_index(None, HANDLER);
        let handle = handler.and_then(|at| component.get_export_index(Some(&at), "handle"));
        let handle = handle.with_context(|| format!("no exported instance named `{HANDLER}`"))?;
        Ok(HandlerPre { pre, handle })
    }

    pub(crate) fn instance_pre(&self) -> &InstancePre<T> {
        &self.pre
    }

    /// The handler of an instance that was made from [`HandlerPre::instance_pre`].
    pub(crate) fn handle_of(
        &self,
        store: &mut wasmtime::Store<T>,
        instance: &Instance,
    ) -> wasmtime::Result<HandleFunction> {
        instance.get_typed_func(&mut *store, self.handle)
    }
}

type HandlerStore<'a, T> = StoreContextMut<'a, T>;

/// Replaces the engine's resources.
pub(crate) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    view: GetHttpView<T>,
) -> wasmtime::Result<()> {
    add_requests(linker, view)?;
    let mut types = linker.instance(HTTP_TYPES)?;
    types.resource(
        "response-outparam",
        ResourceType::host::<ResponseOutparam>(),
        move |mut store, rep| {
            view(store.data_mut())
                .table
                .delete(Resource::<ResponseOutparam>::new_own(rep))?;
            Ok(())
        },
    )?;
    types.func_wrap(
        "[static]response-outparam.set",
        move |mut store: HandlerStore<'_, T>,
              (outparam, answer): (Resource<ResponseOutparam>, _)| {
            let answer: Result<Resource<HostOutgoingResponse>, ErrorCode> = answer;
            let guest = view(store.data_mut());
            let answer = match answer {
                Ok(response) => Ok(guest.table.delete(response)?),
                Err(code) => Err(code),
            };
            if let Ok(response) = &answer {
                guest.state.without_content |= is_without_content(response.status);
            }
            guest.table.delete(outparam)?.set(answer_from(answer));
            Ok(())
        },
    )
}

fn add_requests<T: 'static>(linker: &mut Linker<T>, view: GetHttpView<T>) -> wasmtime::Result<()> {
    type Request = (Resource<IncomingRequest>,);
    let mut types = linker.instance(HTTP_TYPES)?;
    types.resource(
        "incoming-request",
        ResourceType::host::<IncomingRequest>(),
        move |mut store, rep| {
            view(store.data_mut())
                .table
                .delete(Resource::<IncomingRequest>::new_own(rep))?;
            Ok(())
        },
    )?;
    types.func_wrap(
        "[method]incoming-request.method",
        move |mut store: HandlerStore<'_, T>, (request,): Request| {
            let request = view(store.data_mut()).table.get(&request)?;
            Ok((Method::from(request.head.method.clone()),))
        },
    )?;
    types.func_wrap(
        "[method]incoming-request.path-with-query",
        move |mut store: HandlerStore<'_, T>, (request,): Request| {
            let request = view(store.data_mut()).table.get(&request)?;
            let path = request.head.uri.path_and_query();
            Ok((path.map(|path| path.as_str().to_owned()),))
        },
    )?;
    types.func_wrap(
        "[method]incoming-request.scheme",
        move |mut store: HandlerStore<'_, T>, (request,): Request| {
            view(store.data_mut()).table.get(&request)?;
            Ok((Some(Scheme::Http),))
        },
    )?;
    types.func_wrap(
        "[method]incoming-request.authority",
        move |mut store: HandlerStore<'_, T>, (request,): Request| {
            let request = view(store.data_mut()).table.get(&request)?;
            Ok((request.authority().map(str::to_owned),))
        },
    )?;
    types.func_wrap(
        "[method]incoming-request.headers",
        move |mut store: HandlerStore<'_, T>, (request,): Request| {
            // This also counts the bytes of all headers from time to time.
            let http = view(store.data_mut()).into_engine_view();
            let request = http.table.get_mut(&request)?;
            let headers = request.headers.get_or_insert_with(|| {
                let mut headers = std::mem::take(&mut request.head.headers);
                if let Some(forwarded_headers) = request.forwarded_headers.take() {
                    forwarded_headers.apply(&mut headers);
                }
                FieldMap::new_immutable(http.hooks, headers)
            });
            let headers = headers.clone();
            Ok((http.table.push(headers)?,))
        },
    )?;
    types.func_wrap(
        "[method]incoming-request.consume",
        move |mut store: HandlerStore<'_, T>, (request,): Request| {
            let table = view(store.data_mut()).table;
            let Some(body) = table.get_mut(&request)?.body.take() else {
                return Ok((Err(()),));
            };
            Ok((Ok(table.push(HostIncomingBody::new(wasi_body(body)))?),))
        },
    )
}

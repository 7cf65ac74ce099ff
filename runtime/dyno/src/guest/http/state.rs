//! A guest's part of `wasi:http`: the engine's context, outgoing requests, and the limits of headers.
//!
//! Must not know routes, nor what a handler answers.

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use crate::guest::http::outgoing::OutgoingRequests;
use crate::guest::limits::headers::{HEADERS_BYTES_MAX, HeadersAudit};

/// A guest's part of `wasi:http`.
pub(crate) struct HttpState {
    context: WasiHttpCtx,
    /// The most bytes of the next set of headers, as set in `context`.
    fields_max: usize,
    pub(crate) outgoing: OutgoingRequests,
    audit: HeadersAudit,
    /// The current request is a `HEAD`.
    pub(super) head_only: bool,
    /// The current response has no content, because of its request's method or its own status.
    pub(super) without_content: bool,
}

impl HttpState {
    pub(crate) fn new(outgoing: OutgoingRequests) -> HttpState {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(HEADERS_BYTES_MAX);
        HttpState {
            context,
            fields_max: HEADERS_BYTES_MAX,
            outgoing,
            audit: HeadersAudit::default(),
            head_only: false,
            without_content: false,
        }
    }
}

/// The store data of the functions of `wasi:http`.
pub(crate) struct HttpView<'a> {
    pub(crate) state: &'a mut HttpState,
    pub(crate) table: &'a mut ResourceTable,
}

impl<'a> HttpView<'a> {
    /// The engine's own view. Also counts, from time to time, the bytes of all headers of the guest.
    pub(crate) fn into_engine_view(self) -> WasiHttpCtxView<'a> {
        let HttpView { state, table } = self;
        if let Some(limit) = state.audit.next_limit(table) {
            state.fields_max = limit;
            state.context.set_field_size_limit(limit);
        }
        WasiHttpCtxView {
            ctx: &mut state.context,
            table,
            hooks: &mut state.outgoing,
        }
    }

    /// The most bytes of the set of headers that is about to be created.
    pub(super) fn fields_max(&mut self) -> usize {
        let HttpView { state, table } = self;
        HttpView { state, table }.into_engine_view();
        self.state.fields_max
    }
}

/// Finds the HTTP part in the data of a store.
pub(crate) type GetHttpView<T> = fn(&mut T) -> HttpView<'_>;

//! What a guest has of `wasi:http`: the engine's context, its requests under way, and the bounds of its headers.
//!
//! Must not know routes, nor what a handler answers.

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use crate::guest::http::outgoing::OutgoingRequests;
use crate::guest::limits::headers::{HEADERS_BYTES_MAX, HeadersAudit};

/// A guest's part of `wasi:http`.
pub(crate) struct HttpState {
    context: WasiHttpCtx,
    /// Bytes of one set of headers, as `context` has it.
    fields_max: usize,
    pub(crate) outgoing: OutgoingRequests,
    audit: HeadersAudit,
    /// The request under way is a `HEAD`.
    pub(super) head_only: bool,
    /// The response under way has no content: that of a `HEAD`, or one of a status that has none.
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

/// The store data that the functions of `wasi:http` work on.
pub(crate) struct HttpView<'a> {
    pub(crate) state: &'a mut HttpState,
    pub(crate) table: &'a mut ResourceTable,
}

impl<'a> HttpView<'a> {
    /// The engine's own view. Every now and then, this counts what all headers of the guest take.
    pub(crate) fn into_engine_view(self) -> WasiHttpCtxView<'a> {
        let HttpView { state, table } = self;
        if let Some(limit) = state.audit.due(table) {
            state.fields_max = limit;
            state.context.set_field_size_limit(limit);
        }
        WasiHttpCtxView {
            ctx: &mut state.context,
            table,
            hooks: &mut state.outgoing,
        }
    }

    /// Bytes that a set of headers which is about to be made may take.
    pub(super) fn fields_max(&mut self) -> usize {
        let HttpView { state, table } = self;
        HttpView { state, table }.into_engine_view();
        self.state.fields_max
    }
}

/// Finds the HTTP part in the data of a store.
pub(crate) type GetHttpView<T> = fn(&mut T) -> HttpView<'_>;

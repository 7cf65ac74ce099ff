//! The limits of the headers that a guest holds.

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::FieldMap;

/// The most bytes of one set of headers, as the engine counts them. This is above the 512 KiB that the router
/// accepts, so that the router, not the engine, refuses a guest's response with too many headers.
pub(crate) const HEADERS_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes of all sets of headers that a guest holds at once.
const HEADERS_TOTAL_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Host memory for one header beside its text, in bytes.
const HEADER_OVERHEAD_BYTES: usize = 96;

/// Calls of `wasi:http` that may create headers, between two counts of all headers.
const HEADERS_AUDIT_CALLS: u32 = 16;

/// Counts from time to time the bytes of all headers that a guest holds, and sets the limit of the next set.
#[derive(Default)]
pub(crate) struct HeadersAudit {
    calls: u32,
}

impl HeadersAudit {
    /// The new limit of one set of headers in bytes, at every [`HEADERS_AUDIT_CALLS`]th call; `None` at the others.
    pub(crate) fn next_limit(&mut self, table: &mut ResourceTable) -> Option<usize> {
        self.calls = self.calls.wrapping_add(1);
        if !self.calls.is_multiple_of(HEADERS_AUDIT_CALLS) {
            return None;
        }
        let held: usize = table
            .iter_mut()
            .filter_map(|entry| entry.downcast_ref::<FieldMap>())
            .map(|fields| headers_bytes(fields))
            .sum();
        let left = HEADERS_TOTAL_BYTES_MAX.saturating_sub(held);
        Some(left.min(HEADERS_BYTES_MAX))
    }
}

fn headers_bytes(fields: &http::HeaderMap) -> usize {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES
    };
    fields.iter().map(text).sum()
}

//! What a guest may grow: linear memory, tables, instances, and what it makes the host hold for it.

use std::sync::Arc;

use grid::desired::Limits;
use grid::fault::Fault;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::FieldMap;

use crate::engine::{MEMORIES_PER_DYNO_MAX, TABLES_PER_DYNO_MAX};
use crate::guest::stdio::logs::DynoLog;

/// Handles a guest may hold at once: descriptors, streams, pollables, headers, sockets.
/// With [`STREAM_CHUNK_BYTES_MAX`] this bounds what they make the host buffer to 64 MiB.
pub(crate) const RESOURCES_MAX: usize = 2_048;

/// Handles that a guest may keep from one request to the next. One that keeps more has lost track of them, as a
/// language with a garbage collector may; it is replaced between two requests, before one of them ends at
/// [`RESOURCES_MAX`].
pub(crate) const HANDLES_KEPT_MAX: usize = RESOURCES_MAX / 2;

/// Requests between two counts of the handles kept. So up to 64 a request are noticed in time.
const HANDLES_AUDIT_CALLS: u32 = 16;

/// Bytes of one write to an outgoing body; two of them may be buffered a stream.
pub(crate) const STREAM_CHUNK_BYTES_MAX: usize = 16 * 1024;

/// One set of headers, in bytes as the engine counts them. Above the 512 KiB that the router
/// accepts, so that it is the router which answers a guest that goes too far.
pub(crate) const HEADERS_BYTES_MAX: usize = 1024 * 1024;

/// All sets of headers that a guest holds at once, in bytes.
const HEADERS_TOTAL_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Memory of the host for one header beside its text, in bytes.
const HEADER_OVERHEAD_BYTES: usize = 96;

/// Calls of `wasi:http` that can make headers, between two looks at what all of a guest's hold together.
const HEADERS_AUDIT_CALLS: u32 = 16;

/// Linear memory and tables of one dyno.
pub(crate) struct MemoryLimiter {
    memory_max: usize,
    memory: usize,
    elements_max: usize,
    elements: usize,
    instances_max: usize,
    told: bool,
    voice: Arc<DynoLog>,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits, voice: Arc<DynoLog>) -> MemoryLimiter {
        MemoryLimiter {
            memory_max: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            memory: 0,
            elements_max: limits.table_elements as usize,
            elements: 0,
            instances_max: limits.instances as usize,
            told: false,
            voice,
        }
    }

    /// Bytes of linear memory now, and at most.
    pub(crate) fn memory(&self) -> (usize, usize) {
        (self.memory, self.memory_max)
    }

    fn refuse(&mut self, what: &str) -> wasmtime::Result<bool> {
        if !std::mem::replace(&mut self.told, true) {
            self.voice.fault(Fault::MemoryQuotaExceeded, what);
        }
        Ok(false)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory + desired.saturating_sub(current);
        if total > self.memory_max {
            let mib = |bytes: usize| bytes.div_ceil(1024 * 1024);
            let what = format!(
                "growth of linear memory to {} MiB refused, the limit is {} MiB",
                mib(total),
                mib(self.memory_max)
            );
            return self.refuse(&what);
        }
        // What the engine would refuse only after this is not to be counted. After ours, since it may be the engine's
        // own limit and not the guest's, and ours is not to be reached without a word.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.elements + desired.saturating_sub(current);
        if total > self.elements_max {
            let what = format!(
                "growth of tables to {total} elements refused, the limit is {}",
                self.elements_max
            );
            return self.refuse(&what);
        }
        // As above.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        TABLES_PER_DYNO_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_DYNO_MAX as usize
    }
}

/// Looks now and then at all headers a guest holds, and says how large one set may become.
#[derive(Default)]
pub(crate) struct HeadersAudit {
    calls: u32,
}

impl HeadersAudit {
    /// The new limit of one set of headers in bytes, every [`HEADERS_AUDIT_CALLS`] calls.
    pub(crate) fn due(&mut self, table: &mut ResourceTable) -> Option<usize> {
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

/// Counts now and then what a guest keeps between two requests.
#[derive(Default)]
pub(crate) struct HandlesAudit {
    calls: u32,
}

impl HandlesAudit {
    /// How many handles it keeps, every [`HANDLES_AUDIT_CALLS`] requests, if they are more than [`HANDLES_KEPT_MAX`].
    pub(crate) fn excess(&mut self, table: &mut ResourceTable) -> Option<usize> {
        self.calls = self.calls.wrapping_add(1);
        if !self.calls.is_multiple_of(HANDLES_AUDIT_CALLS) {
            return None;
        }
        Some(table.iter_mut().count()).filter(|kept| *kept > HANDLES_KEPT_MAX)
    }
}

fn headers_bytes(fields: &http::HeaderMap) -> usize {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES
    };
    fields.iter().map(text).sum()
}

//! The limits of a guest's handles, and of what the host buffers for them.

use wasmtime::component::ResourceTable;

/// The most handles that a guest may hold at once: descriptors, streams, pollables, headers, sockets. With
/// [`STREAM_CHUNK_BYTES_MAX`], this limits what the host buffers for them to 64 MiB.
pub(crate) const RESOURCES_MAX: usize = 2_048;

/// The most handles that a guest may keep from one request to the next. A guest that keeps more has lost track of
/// them, as a language with a garbage collector may. Its instance is replaced between two requests, before a request
/// fails at [`RESOURCES_MAX`].
pub(crate) const HANDLES_KEPT_MAX: usize = RESOURCES_MAX / 2;

/// Requests between two counts of the handles. A guest that leaks up to 64 handles a request is noticed in time.
const HANDLES_AUDIT_CALLS: u32 = 16;

/// The most bytes of one write to an outgoing body. Each stream may buffer two writes.
pub(crate) const STREAM_CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Counts from time to time the handles that a guest keeps between two requests.
#[derive(Default)]
pub(crate) struct HandlesAudit {
    calls: u32,
}

impl HandlesAudit {
    /// The number of handles that the guest keeps, if it exceeds [`HANDLES_KEPT_MAX`]. Counted at every
    /// [`HANDLES_AUDIT_CALLS`]th request; `None` at the others.
    pub(crate) fn count_excess(&mut self, table: &mut ResourceTable) -> Option<usize> {
        self.calls = self.calls.wrapping_add(1);
        if !self.calls.is_multiple_of(HANDLES_AUDIT_CALLS) {
            return None;
        }
        Some(table.iter_mut().count()).filter(|kept| *kept > HANDLES_KEPT_MAX)
    }
}

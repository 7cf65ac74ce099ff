//! How much memory or disk the messages of a router take together: buffered responses, responses on disk, and
//! buffered request bodies.
//!
//! Owns the sums and their bounds. Must not know whose messages are counted, nor who waits for room. No waker is
//! needed: a response that may not grow goes on when its own client has read, and a request body that finds no room is
//! streamed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

use crate::limits::{RESPONSE_BUFFER_FREE, RESPONSE_BUFFERS_MAX, SPILLS_MAX_BYTES};
use crate::spill::SpillFolder;

/// A bounded sum of bytes, as one connection holds it.
///
/// Each connection has a copy of its own (see [`MemoryBudget::for_connection`]), because every message counts the
/// references to its copy up and down, and cores must not compete for that counter.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    used: Arc<AtomicUsize>,
    /// Bytes of each message that are not counted.
    free_bytes: usize,
    max_bytes: usize,
    /// Files on disk, for the parts of responses that find no room in memory.
    spill: Option<SpillSpace>,
}

/// The disk behind a budget of memory.
#[derive(Clone, Debug)]
struct SpillSpace {
    folder: SpillFolder,
    budget: Arc<MemoryBudget>,
}

impl MemoryBudget {
    fn new(free_bytes: usize, max_bytes: usize) -> MemoryBudget {
        MemoryBudget {
            used: Arc::default(),
            free_bytes,
            max_bytes,
            spill: None,
        }
    }

    /// Memory for the responses of a router ([`RESPONSE_BUFFERS_MAX`]), with disk behind it if there is a folder
    /// ([`SPILLS_MAX_BYTES`]).
    pub fn for_responses(folder: Option<SpillFolder>) -> MemoryBudget {
        let spill = folder.map(|folder| SpillSpace {
            folder,
            budget: Arc::new(MemoryBudget::new(0, SPILLS_MAX_BYTES)),
        });
        MemoryBudget {
            spill,
            ..MemoryBudget::new(RESPONSE_BUFFER_FREE, RESPONSE_BUFFERS_MAX)
        }
    }

    /// Memory for buffered request bodies. Bodies that need not be counted have no [`MemoryShare`].
    pub fn for_request_bodies(max_bytes: usize) -> MemoryBudget {
        MemoryBudget::new(0, max_bytes)
    }

    /// A copy for one connection. All copies count into the same sum.
    pub fn for_connection(&self) -> Arc<MemoryBudget> {
        Arc::new(self.clone())
    }

    /// Bytes that all messages take, without the uncounted part of each.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether a message that holds `held` bytes may take more.
    fn has_room(&self, held: usize) -> bool {
        held < self.free_bytes || self.used() < self.max_bytes
    }
}

/// The part of a budget that one message takes. Small messages never touch the sum.
#[derive(Debug)]
pub struct MemoryShare {
    budget: Arc<MemoryBudget>,
    counted: usize,
}

impl MemoryShare {
    /// A message that holds nothing yet.
    pub fn new(budget: Arc<MemoryBudget>) -> MemoryShare {
        MemoryShare { budget, counted: 0 }
    }

    /// Sets the number of bytes that the message holds now.
    pub fn set_held(&mut self, held: usize) {
        let counted = held.saturating_sub(self.budget.free_bytes);
        let used = &self.budget.used;
        if counted > self.counted {
            used.fetch_add(counted - self.counted, Relaxed);
        } else if counted < self.counted {
            used.fetch_sub(self.counted - counted, Relaxed);
        }
        self.counted = counted;
    }

    /// Whether the message, which holds `held` bytes, may take more.
    pub fn has_room(&self, held: usize) -> bool {
        self.budget.has_room(held)
    }

    /// The folder for what finds no room in memory.
    pub(crate) fn spill_folder(&self) -> Option<&SpillFolder> {
        self.budget.spill.as_ref().map(|spill| &spill.folder)
    }

    /// The share of the disk for the same message.
    pub(crate) fn new_disk_share(&self) -> Option<MemoryShare> {
        let spill = self.budget.spill.as_ref()?;
        Some(MemoryShare::new(spill.budget.clone()))
    }

    /// Moves the counted bytes to a new share; `None` if nothing is counted.
    pub(crate) fn take(&mut self) -> Option<MemoryShare> {
        let counted = std::mem::take(&mut self.counted);
        (counted > 0).then(|| MemoryShare {
            budget: self.budget.clone(),
            counted,
        })
    }

    /// Ties the share to `bytes`: it counts for as long as any part or copy of them lives.
    pub fn attach_to(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(CountedBytes {
            bytes,
            _share: self,
        })
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.set_held(0);
    }
}

/// Bytes, and the share that they take.
struct CountedBytes {
    bytes: Bytes,
    _share: MemoryShare,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;

//! The memory that the buffered responses of a router take together, and its buffered request bodies.
//!
//! Owns the two sums and their bounds. Must not know whose messages they are, nor who waits: a response that may not
//! grow goes on when its own client has read, and a request body is handed on as it is, so that nobody is to be woken.

use crate::limits::{RESPONSE_BUFFER_FREE, RESPONSE_BUFFERS_MAX, SPILLS_MAX_BYTES};
use crate::spill::SpillFolder;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A sum, as one connection holds it: messages count it in and out, and those of different connections are not to
/// fight over that count.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    sum: Arc<AtomicUsize>,
    /// What each message may buffer uncounted (bytes).
    free: usize,
    /// Bytes.
    max: usize,
    /// Where responses go that find no room.
    spill: Option<SpillFolder>,
}

impl Buffers {
    fn new(free: usize, max: usize) -> Buffers {
        Buffers {
            sum: Arc::default(),
            free,
            max,
            spill: None,
        }
    }

    pub(crate) fn responses(spill: Option<SpillFolder>) -> Buffers {
        Buffers {
            spill,
            ..Buffers::new(RESPONSE_BUFFER_FREE, RESPONSE_BUFFERS_MAX)
        }
    }

    /// For what responses take of the disk.
    pub(crate) fn on_disk() -> Buffers {
        Buffers::new(0, SPILLS_MAX_BYTES)
    }

    /// For request bodies. Those that need not be counted have no [`Share`].
    pub(crate) fn requests(max: usize) -> Buffers {
        Buffers::new(0, max)
    }

    /// For another connection.
    pub(crate) fn share(&self) -> Arc<Buffers> {
        Arc::new(self.clone())
    }

    /// What all messages take, in bytes, apart from what each has free.
    pub(crate) fn used(&self) -> usize {
        self.sum.load(Relaxed)
    }

    /// Whether a message that buffers so many bytes may take more.
    pub(crate) fn has_room(&self, buffered: usize) -> bool {
        buffered < self.free || self.used() < self.max
    }
}

/// What one message takes of the sum. Small ones never touch it.
#[derive(Debug)]
pub(crate) struct Share {
    buffers: Arc<Buffers>,
    charged: usize,
}

impl Share {
    pub(crate) fn new(buffers: Arc<Buffers>) -> Share {
        Share {
            buffers,
            charged: 0,
        }
    }

    /// The message buffers so many bytes now.
    pub(crate) fn set(&mut self, buffered: usize) {
        let due = buffered.saturating_sub(self.buffers.free);
        let sum = &self.buffers.sum;
        if due > self.charged {
            sum.fetch_add(due - self.charged, Relaxed);
        } else if due < self.charged {
            sum.fetch_sub(self.charged - due, Relaxed);
        }
        self.charged = due;
    }

    /// See [`Buffers::has_room`].
    pub(crate) fn has_room(&self, buffered: usize) -> bool {
        self.buffers.has_room(buffered)
    }

    /// Where the message goes if it finds no room.
    pub(crate) fn spill_folder(&self) -> Option<&SpillFolder> {
        self.buffers.spill.as_ref()
    }

    /// What it takes, for someone else to hold; nothing if that is nothing.
    pub(crate) fn take(&mut self) -> Option<Share> {
        let charged = std::mem::take(&mut self.charged);
        (charged > 0).then(|| Share {
            buffers: self.buffers.clone(),
            charged,
        })
    }

    /// Bytes that are counted for as long as any part or copy of them lives.
    pub(crate) fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _share: self,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Memory, and what it takes of the sum.
struct Held {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;

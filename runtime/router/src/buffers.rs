//! The memory that the buffered responses of a router take together.
//!
//! Owns the sum and its bound. Must not know whose responses they are, nor who waits: a response that may not grow
//! goes on when its own client has read, so that nobody is to be woken.

use crate::limits::{RESPONSE_BUFFER_FREE, RESPONSE_BUFFERS_MAX};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The sum, as one connection holds it: responses count it in and out, and those of different connections are not
/// to fight over that count.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Arc<AtomicUsize>);

impl Buffers {
    /// For another connection.
    pub(crate) fn share(&self) -> Arc<Buffers> {
        Arc::new(Buffers(self.0.clone()))
    }

    /// What all responses take, in bytes, apart from the first few of each.
    pub(crate) fn used(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Whether a response that buffers so many bytes may take more.
    pub(crate) fn has_room(&self, buffered: usize) -> bool {
        buffered < RESPONSE_BUFFER_FREE || self.used() < RESPONSE_BUFFERS_MAX
    }
}

/// What one response takes of the sum. Small ones never touch it.
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

    /// The response buffers so many bytes now.
    pub(crate) fn set(&mut self, buffered: usize) {
        let due = buffered.saturating_sub(RESPONSE_BUFFER_FREE);
        let sum = &self.buffers.0;
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

    /// What it takes, for someone else to hold; nothing if that is nothing.
    pub(crate) fn take(&mut self) -> Option<Share> {
        let charged = std::mem::take(&mut self.charged);
        (charged > 0).then(|| Share {
            buffers: self.buffers.clone(),
            charged,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

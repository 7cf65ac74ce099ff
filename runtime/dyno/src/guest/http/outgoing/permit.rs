//! The right to have one outgoing request open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of the requests that a dyno may have open.
pub(crate) struct RequestPermit(pub(super) Arc<AtomicUsize>);

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

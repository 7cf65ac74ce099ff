//! The permit for one open outgoing request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts as one of the requests that a dyno may have open, until it is dropped.
pub(crate) struct RequestPermit(pub(super) Arc<AtomicUsize>);

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

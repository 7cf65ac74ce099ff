//! Time limits of planning.
//!
//! Owns the numbers. Must not know who waits.

use std::time::Duration;

use crate::observed::NODE_DEAD_AFTER;

/// A node that was asked for a release and has not got it is asked again after this time. A compile of a large app
/// stays well below.
pub const FETCH_RETRY: Duration = Duration::from_secs(60);
/// A stop without an answer is sent again after this time.
pub const STOP_RETRY: Duration = Duration::from_secs(10);
/// How long a new reconciler waits for the inventories of the nodes that its ledger names: a node that says nothing for
/// so long counts as dead anyway.
pub const SETTLE: Duration = NODE_DEAD_AFTER;

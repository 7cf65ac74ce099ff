//! Time limits of planning.
//!
//! Owns the numbers. Must not know who waits.

use std::time::Duration;

use crate::observed::NODE_DEAD_AFTER;

/// A node that died while most others were heard no longer counts for "most nodes are silent" after this further time.
pub(super) const WRITTEN_OFF_AFTER: Duration = Duration::from_secs(10);
/// A node that was asked for a release and has not got it is asked again after this time. A compile of a large app
/// stays well below.
pub const FETCH_RETRY: Duration = Duration::from_secs(60);
/// A start that its node has not acknowledged is sent again after this time.
pub const START_RETRY: Duration = Duration::from_secs(5);
/// What runs once is started elsewhere when its node has been silent for this time. The node itself ends it after
/// [`ONCE_LEASE`](crate::lifecycle::ONCE_LEASE) without a reconciler; the difference is for clocks that do not run alike.
pub const ONCE_LOST_AFTER: Duration = Duration::from_secs(12);
/// A new reconciler waits for so long before it starts what runs once, if it has not heard a node of its ledger: a former
/// reconciler may be cut off together with that node, and renew the node's lease until it cannot read the ledger. A server
/// of the ledger that was cut off may answer reads for ten seconds.
pub const ONCE_UNHEARD_FOR: Duration = Duration::from_secs(30);
/// A stop without an answer is sent again after this time.
pub const STOP_RETRY: Duration = Duration::from_secs(10);
/// How long a new reconciler waits for the inventories of the nodes that its ledger names: a node that says nothing for
/// so long counts as dead anyway.
pub const SETTLE: Duration = NODE_DEAD_AFTER;

//! The nodes that were removed from the grid.
//!
//! Owns the shared set of names. Must not know why a node was removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use grid::name::NodeId;
use tokio::sync::watch;

/// The names of removed nodes: their certificates are refused, and their connections end. Clones share one set.
#[derive(Clone, Debug, Default)]
pub struct RemovedNodes {
    names: Arc<watch::Sender<BTreeSet<NodeId>>>,
}

impl RemovedNodes {
    /// An empty set.
    pub fn new() -> Self {
        RemovedNodes::default()
    }

    /// Replaces the set. A name that is no longer in it is let in again.
    pub fn replace(&self, names: BTreeSet<NodeId>) {
        self.names.send_replace(names);
    }

    /// Adds a name.
    pub fn insert(&self, node: NodeId) {
        self.names.send_modify(|names| {
            names.insert(node);
        });
    }

    /// Whether the node was removed.
    pub fn contains(&self, node: &NodeId) -> bool {
        self.names.borrow().contains(node)
    }

    /// Waits until the node is removed, or is let in again.
    pub(crate) async fn wait_until(&self, node: &NodeId, removed: bool) {
        let mut changes = self.names.subscribe();
        // The sender lives in `self`, so that the wait never fails.
        let _ = changes
            .wait_for(|names| names.contains(node) == removed)
            .await;
    }
}

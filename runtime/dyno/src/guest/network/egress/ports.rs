//! Ports of this machine that dynos listen on.
//!
//! Owns the set alone. Must not know who asks.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// A set of ports that all clones share.
#[derive(Debug, Clone, Default)]
pub struct ClosedPorts(Arc<RwLock<BTreeSet<u16>>>);

impl ClosedPorts {
    /// Closes `port` to every guest. False: it was closed already.
    pub fn insert(&self, port: u16) -> bool {
        let mut ports = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ports.insert(port)
    }

    /// Gives `port` back. False: it was not closed.
    pub fn remove(&self, port: u16) -> bool {
        let mut ports = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ports.remove(&port)
    }

    /// Whether `port` is closed.
    pub fn contains(&self, port: u16) -> bool {
        let ports = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ports.contains(&port)
    }
}

//! Ports of this machine on which dynos listen.
//!
//! Must not know who asks.

use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A set of ports, shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct ClosedPorts(Arc<RwLock<BTreeSet<u16>>>);

impl ClosedPorts {
    /// Closes `port` to every guest. Returns false if it was closed already.
    pub fn insert(&self, port: u16) -> bool {
        let mut ports = self.0.write();
        ports.insert(port)
    }

    /// Opens `port` again. Returns false if it was not closed.
    pub fn remove(&self, port: u16) -> bool {
        let mut ports = self.0.write();
        ports.remove(&port)
    }

    /// Whether `port` is closed.
    pub fn contains(&self, port: u16) -> bool {
        let ports = self.0.read();
        ports.contains(&port)
    }
}

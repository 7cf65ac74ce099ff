//! The engine of a node.

use std::sync::Arc;

use dyno::engine::{Engines, InstanceAllocation};

use crate::error::SpawnError;

/// Starts the engines of this process.
pub(crate) fn start_engines(allocation: InstanceAllocation) -> Result<Arc<Engines>, SpawnError> {
    Engines::new(allocation).map_err(|error| SpawnError::Engine(format!("{error:#}")))
}

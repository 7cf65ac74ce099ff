//! Commands, and the facts that they become.
//!
//! Owns what a user may ask for. Must not know how it is carried out, nor who may send it.

mod addon_facts;
mod app_facts;
mod config_vars;
mod error;
mod facts;
mod kinds;
mod limits;

pub use crate::actor::Actor;
pub use addon_facts::default_name;
pub use config_vars::checked as checked_config;
pub use error::CommandError;
pub(crate) use facts::facts;
pub use kinds::{AcceptedChange, AddonCommand, Command, ConfigChanges, DeployConfig, ReleaseSpec};
pub use limits::MEMORY_BYTES;

//! Commands, and the facts that each command is translated to.
//!
//! Owns the set of commands and their validation. Must not know how a fact is carried out, nor who may send a
//! command.

mod addon_facts;
mod app_facts;
mod config_vars;
mod error;
mod facts;
mod kinds;
mod limits;

pub use crate::actor::Actor;
pub use addon_facts::default_attachment_name;
pub use config_vars::check_config_vars;
pub use error::CommandError;
pub(crate) use facts::facts;
pub use kinds::{
    AcceptedChange, AddonCommand, AddonSpec, Command, ConfigChanges, DeployConfig, ReleaseSpec,
};
pub use limits::MEMORY_BYTES;

//! Validated names, parsed once at the edge.
//!
//! Owns the form of each name. Must not know what has the name, or whether it exists.

mod attached;
mod digest;
mod endpoint;
mod hostname;
mod label;
mod number;

pub use attached::{AddonName, AddonNameError, AttachmentName, AttachmentNameError};
pub use digest::{SlugId, SlugIdError};
pub use endpoint::{Endpoint, EndpointError, Host};
pub use hostname::{Hostname, HostnameError};
pub use label::{AppName, AppNameError, NodeId, NodeIdError, ProcessType, ProcessTypeError};
pub use number::{
    DynoId, DynoIdError, DynoKey, Generation, LeaderEpoch, ReleaseId, Run, Version, VersionError,
};

#[cfg(test)]
mod tests;

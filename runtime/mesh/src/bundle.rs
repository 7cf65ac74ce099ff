//! Bundles: the one file that a machine needs to be a node of a grid.
//!
//! Owns the content of bundles, the grid's certificate authority, and the file format. Must not know sockets, nor how
//! the engine and the ledger use their secrets.
//!
//! [`create_bundles`] makes the bundles of a new grid, and [`GridAuthority`], which signs the certificates of later
//! nodes. No bundle contains the authority's key: it belongs into the ledger, sealed.

mod authority;
mod certificate;
mod create;
mod file;
mod format;
mod node_list;
mod secret;

pub use authority::{AuthorityError, CERTIFICATE_VALIDITY, GridAuthority};
pub use certificate::CertificateProblem;
pub(crate) use certificate::decode_certificate;
pub use create::{AddNodeError, CreateGridError, NewGrid, add_node, create_bundles, renew_bundle};
pub use file::{BUNDLE_BYTES_MAX, BundleReadError, BundleWriteError, read_bundle, write_bundle};
pub use format::{
    BUNDLE_VERSION, BundleError, EngineAccess, EngineLogin, GridId, GridIdError, NodeBundle,
    NodeCertificate,
};
pub use node_list::{
    EngineCount, GridNode, GridNodeError, MESH_PORT, NodeListError, NodeRole, check_nodes,
    plan_nodes,
};
pub use secret::{GridKey, GridKeyError, HiddenText, RandomnessError};

#[cfg(test)]
mod tests;

//! What a guest sees of the disk, under the same rules for all versions of WASI.
//!
//! Must not know requests, nor the network.

pub(crate) mod changes;
pub(crate) mod folders;
pub(super) mod p2;
pub(super) mod p3;
pub(crate) mod paths;
pub(crate) mod quota;
pub(crate) mod tree;

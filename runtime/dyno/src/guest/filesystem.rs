//! A guest's view of the disk: one tree of folders, with the same rules and the same quota for every WASI version.
//!
//! `paths` and `tree` resolve a guest's paths, `changes` decides and charges each change, `quota` counts, `folders`
//! makes a dyno's folders. `p2` and `p3` are the interfaces of WASI 0.2 and 0.3. Folders are opened with
//! wasmtime-wasi's own `Dir`, since its host functions take nothing else; cap-std is used where the host itself looks
//! into a folder.
//!
//! Must not know requests or the network.

pub(crate) mod changes;
mod convert;
pub(crate) mod folders;
pub(super) mod p2;
pub(super) mod p3;
pub(crate) mod paths;
pub(crate) mod quota;
pub(crate) mod tree;
pub(crate) mod view;

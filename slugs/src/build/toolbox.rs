//! Owns what every builder needs: tools and how they are run, folders in the cache, the list of an app's own files.
//! Must not know any one language.

pub(crate) mod build_folder;
pub(crate) mod command_line;
pub(crate) mod error;
pub(crate) mod node;
pub(crate) mod progress;
pub(crate) mod run;
pub(crate) mod sources;
pub(crate) mod toolchain;
pub(crate) mod tools;

//! Owns the Ruby builder: apps of Rack, such as Sinatra's.

mod build;
pub(super) mod detect;
mod entry;
mod gems;
mod layout;
mod link;
mod lockfile;
mod mend;
mod processes;
mod toolchain;

pub(super) use build::build;

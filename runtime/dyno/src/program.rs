//! Programs that run by themselves: servers, workers and one-offs.
//!
//! Owns how a program is entered and ended. Must not know why it runs, nor the list of this machine's dynos.

pub(crate) mod background;
pub(crate) mod oneoff;
pub(crate) mod process;
mod response_framing;
pub(crate) mod server;

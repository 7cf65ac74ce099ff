//! A program's input and output: pipes, and lines of the app's log.
//!
//! Must not know programs, nor where pipes and log lines go.

pub(crate) mod logs;
pub(crate) mod pipes;

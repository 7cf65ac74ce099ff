//! Dynos: WebAssembly components as long-lived instances that serve one request at a time.
//!
//! The only crate that knows wasmtime. A [`Fleet`] takes the planner's steps, makes releases ready (compiled in a
//! limited child process, cached), starts dynos and reports their state; [`Fleet::take`] hands a free [`LocalDyno`] to
//! the router, which uses it as an [`exchange::DynoHandle`]: a call runs one request. The router puts dynos to sleep
//! that have been free for a while; the next call wakes them. A dyno whose program listens on `$PORT` is called in the
//! same way; a worker is started and watched. [`Fleet::run`] runs a program once, with pipes for its stdin and its
//! output. Must not decide anything: the planner decides what to start and when, the router decides which dyno gets a
//! request.
//!
//! Everything that a guest can use is bounded: memory, tables, handles, files, sockets, log lines, and the time for
//! which it computes before it yields.

mod code;
mod crash;
pub mod engine;
mod error_chain;
mod fleet;
mod guest;
mod instance;
mod life;
mod program;
mod release;

pub use code::compile;
pub use fleet::dyno::{GuestCall, LocalDyno};
pub use fleet::node::{Fleet, FleetConfig};
pub use fleet::shared::ReportSink;
pub use guest::filesystem::folders::MountedFolder;
pub use guest::network::egress::{ClosedPorts, EgressOpening, EgressOpeningError, EgressPolicy};
pub use guest::stdio::logs::{LINE_BYTES_MAX, LogLine, LogSink, LogSource};
pub use guest::stdio::pipes::{ProgramOutput, ProgramStdio};
pub use program::oneoff::{OneOffExit, OneOffGuest, RunningOneOffGuest};
pub use release::PrepareError;
pub use release::command::{OneOffCommand, PlatformVars};
pub use release::source::{FetchedSlug, SlugProgram, SlugSource, from_store};

//! The channels of a reconciler, and their bounds.
//!
//! Owns what comes out of a reconciler. Must not know who takes it.

use crate::handle::PublishedReleases;
use crate::log_event::LogEvent;
use crate::once::OneOffStart;
use grid::protocol::Step;
use tokio::sync::{mpsc, watch};

/// Events that wait for the reconciler: a burst of reports from a thousand dynos.
pub const EVENTS_MAX: usize = 1_024;
/// Requests that wait for their turn to be written down.
pub const REQUESTS_MAX: usize = 256;
/// Steps that wait to be carried out.
pub const STEPS_MAX: usize = 1_024;
/// One-off dynos that wait to be started.
pub const ONE_OFFS_MAX: usize = 64;
/// Log events that wait to be read.
pub const LOGS_MAX: usize = 4_096;

/// What a reconciler puts out.
#[derive(Debug)]
pub struct ReconcilerOutputs {
    /// Steps, to be carried out in order. `Step::Record` is not among them.
    pub steps: mpsc::Receiver<Step>,
    /// One-off dynos that are to start. Whoever takes both takes these first: a step may be about one of them.
    pub one_offs: mpsc::Receiver<OneOffStart>,
    /// Lines for the apps' log streams.
    pub logs: mpsc::Receiver<LogEvent>,
    /// Where whoever carries out the steps says what the router has: see [`Published`].
    pub published: watch::Sender<PublishedReleases>,
}

//! The output channels of a reconciler, and the limits of all its channels.
//!
//! Owns the types of the output channels. Must not know who receives from them.

use crate::handle::PublishedReleases;
use crate::log_event::LogEvent;
use crate::once::OneOffStart;
use grid::protocol::Step;
use tokio::sync::{mpsc, watch};

/// Maximum number of queued events: enough for a burst of reports from a thousand dynos.
pub const EVENTS_MAX: usize = 1_024;
/// Maximum number of queued change requests.
pub const REQUESTS_MAX: usize = 256;
/// Maximum number of queued steps.
pub const STEPS_MAX: usize = 1_024;
/// Maximum number of queued one-off dynos.
pub const ONE_OFFS_MAX: usize = 64;
/// Maximum number of queued log events.
pub const LOGS_MAX: usize = 4_096;

/// The output channels of a reconciler.
#[derive(Debug)]
pub struct ReconcilerOutputs {
    /// Steps, to be carried out in order. `Step::Record` is never sent.
    pub steps: mpsc::Receiver<Step>,
    /// One-off dynos to start. The executor receives from this channel before `steps`, since a step may be about
    /// one of these dynos.
    pub one_offs: mpsc::Receiver<OneOffStart>,
    /// Lines for the logs of the apps.
    pub logs: mpsc::Receiver<LogEvent>,
    /// The executor sends the releases that the router serves here.
    pub published: watch::Sender<PublishedReleases>,
}

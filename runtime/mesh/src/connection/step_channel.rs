//! A leader's channel to one node, over whichever connection there is.
//!
//! Owns the task that opens its streams. Must not know what the steps say.

use std::sync::Arc;
use std::time::Duration;

use grid::name::LeaderEpoch;
use grid::protocol::{Report, Step};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::dialler::{CHANNEL_PATH, PeerConnection, open_stream};
use super::limits::EVENTS_MAX;
use super::shared_end::SharedEnd;
use crate::channel::{LeaderEnd, LeaderEndEvent, SendRefused};

/// The pause before a stream is opened again on a connection that still stands.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// What a leader hears from a node.
pub type StepChannelEvent = LeaderEndEvent<Step, Report>;

/// A step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepSendError {
    /// The step is larger than a frame may be, and can never be sent.
    #[error("the step is larger than {} bytes", crate::channel::FRAME_BYTES_MAX)]
    Oversized(Box<Step>),
    /// Another leader has begun, or the [`StepChannel`] was dropped.
    #[error("the channel to the node has ended")]
    Ended,
}

/// The channel from this node, as leader of an epoch, to one other node. It ends when it is dropped, or when a newer
/// leader is told of by [`StepChannelEvent::Superseded`](LeaderEndEvent::Superseded).
pub struct StepChannel {
    sender: StepSender,
    events: mpsc::Receiver<StepChannelEvent>,
    superseded: bool,
    /// One task, which ends with the value.
    _task: JoinSet<()>,
}

/// What puts steps into a [`StepChannel`]. Clones share one channel.
#[derive(Clone)]
pub struct StepSender {
    shared: Arc<SharedEnd<LeaderEnd<Step>>>,
}

impl StepSender {
    /// Takes a step. Waits while too many are not acknowledged, even for as long as the node is away.
    ///
    /// Acknowledgements come in order with reports, so that another task must take the channel's events meanwhile.
    pub async fn send_step(&self, step: Step) -> Result<(), StepSendError> {
        let sent = self.shared.send(step).await;
        sent.map_err(|refused| match refused {
            SendRefused::Ended(_) => StepSendError::Ended,
            SendRefused::Full(step) | SendRefused::Oversized(step) => {
                StepSendError::Oversized(Box::new(step))
            }
        })
    }

    /// The number of steps that the node has not acknowledged.
    pub fn unacknowledged_count(&self) -> usize {
        self.shared.with_end(|end| end.unacknowledged_count())
    }
}

impl StepChannel {
    pub(super) fn open(epoch: LeaderEpoch, connections: watch::Receiver<PeerConnection>) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let shared = Arc::new(SharedEnd::new(LeaderEnd::new(epoch), sender));
        let mut task = JoinSet::new();
        task.spawn(run_streams(Arc::clone(&shared), connections));
        StepChannel {
            sender: StepSender { shared },
            events,
            superseded: false,
            _task: task,
        }
    }

    /// What puts steps into the channel.
    pub fn sender(&self) -> StepSender {
        self.sender.clone()
    }

    /// The next report or change; `None` after [`StepChannelEvent::Superseded`](LeaderEndEvent::Superseded).
    pub async fn next_event(&mut self) -> Option<StepChannelEvent> {
        if self.superseded {
            return None;
        }
        let event = self.events.recv().await;
        self.superseded = matches!(event, Some(LeaderEndEvent::Superseded { .. }));
        event
    }
}

impl Drop for StepChannel {
    fn drop(&mut self) {
        // Whoever waits for room is told that there will be none.
        self.sender.shared.with_end(LeaderEnd::end);
    }
}

/// Opens a stream whenever there is a connection, until a newer leader has begun.
async fn run_streams(
    shared: Arc<SharedEnd<LeaderEnd<Step>>>,
    mut connections: watch::Receiver<PeerConnection>,
) {
    loop {
        let connection = match connections.wait_for(Option::is_some).await {
            Ok(connection) => connection.clone(),
            Err(_) => return,
        };
        let Some(connection) = connection else {
            continue;
        };
        if let Ok((feeder, incoming)) = open_stream(connection, CHANNEL_PATH).await {
            // Whatever ended the stream, the next one continues.
            let _ = shared.run_stream(incoming, feeder).await;
        }
        if shared.with_end(|end| end.has_ended()) {
            return;
        }
        sleep(REOPEN_PAUSE).await;
    }
}

//! The states of a dyno, and which state follows which.
//!
//! Owns the total function [`next_state`], the words for a change, and how long a dyno may take to end. Must not know
//! timers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time that a draining dyno has to finish its work. Then it is stopped (R12).
pub const DRAIN_GRACE: Duration = Duration::from_secs(30);
/// A node of a grid ends what must not run twice (release processes and one-off dynos) when it has heard no reconciler
/// for this time, by its own clock: a reconciler that does not hear the node may start it elsewhere.
pub const ONCE_LEASE: Duration = Duration::from_secs(10);
/// How long a release process may run: an hour is beyond any migration that a deploy should wait for.
pub const RELEASE_PROCESS_MAX: Duration = Duration::from_secs(60 * 60);

/// The state of a dyno, by the last step sent and the last report received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynoState {
    /// The dyno was told to start and is not ready yet.
    Starting,
    /// The dyno takes requests, or its process runs.
    Up,
    /// The dyno takes requests, and gave its memory back until the next request.
    Idle,
    /// The dyno was told to end and gets no new work. Users read `stopping`.
    Draining,
    /// The dyno ended by itself.
    Crashed,
    /// The dyno ended as it was told to, or never started.
    Down,
}

/// An event in the life of a dyno.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The dyno is told to start, in a place where none runs.
    Start,
    /// The node reports that the dyno is ready.
    Ready,
    /// The node reports that the dyno fell asleep.
    Sleep,
    /// The node reports that the dyno woke.
    Wake,
    /// The dyno is told to end.
    Drain,
    /// The dyno ended by itself, or missed its boot deadline.
    Crash,
    /// The node has nothing left of the dyno.
    Gone,
}

impl DynoState {
    /// Every state.
    pub const ALL: [DynoState; 6] = [
        DynoState::Starting,
        DynoState::Up,
        DynoState::Idle,
        DynoState::Draining,
        DynoState::Crashed,
        DynoState::Down,
    ];

    /// Whether requests may be handed to the dyno.
    pub const fn is_serving(self) -> bool {
        matches!(self, DynoState::Up | DynoState::Idle)
    }

    /// Whether the dyno serves or is about to.
    pub const fn is_alive(self) -> bool {
        matches!(self, DynoState::Starting | DynoState::Up | DynoState::Idle)
    }

    /// The word that users read.
    pub const fn word(self) -> &'static str {
        match self {
            DynoState::Starting => "starting",
            DynoState::Up => "up",
            DynoState::Idle => "idle",
            DynoState::Draining => "stopping",
            DynoState::Crashed => "crashed",
            DynoState::Down => "down",
        }
    }
}

impl fmt::Display for DynoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Event; 7] = [
        Event::Start,
        Event::Ready,
        Event::Sleep,
        Event::Wake,
        Event::Drain,
        Event::Crash,
        Event::Gone,
    ];
}

/// The state after an event. An event that is late, repeated or out of order changes nothing.
pub const fn next_state(state: DynoState, event: Event) -> DynoState {
    match (state, event) {
        (DynoState::Crashed | DynoState::Down, Event::Start) => DynoState::Starting,
        (DynoState::Starting, Event::Ready) | (DynoState::Idle, Event::Wake) => DynoState::Up,
        (DynoState::Starting | DynoState::Up, Event::Sleep) => DynoState::Idle,
        (DynoState::Starting | DynoState::Up | DynoState::Idle, Event::Drain) => {
            DynoState::Draining
        }
        (DynoState::Starting | DynoState::Up | DynoState::Idle, Event::Crash) => DynoState::Crashed,
        // The dyno was to end anyway, so a crash is no fault of the app.
        (DynoState::Draining, Event::Crash | Event::Gone) => DynoState::Down,
        (DynoState::Starting | DynoState::Up | DynoState::Idle, Event::Gone) => DynoState::Down,
        (state, _) => state,
    }
}

/// The log line for a change of state; none if the state is the same.
pub fn describe_change(from: DynoState, to: DynoState) -> Option<String> {
    (from != to).then(|| format!("State changed from {from} to {to}"))
}

#[cfg(test)]
mod tests;

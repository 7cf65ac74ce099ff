//! The states of a dyno and how they follow each other.
//!
//! Owns one total function, [`next`], the words for a change, and how long a dyno may take to end. Must not know timers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a dyno has to finish its work in when it is no longer wanted; then it is stopped (R12).
pub const DRAIN_GRACE: Duration = Duration::from_secs(30);
/// How long a release process may run: an hour is beyond any migration that a deploy should wait for.
pub const RELEASE_PROCESS_MAX: Duration = Duration::from_secs(60 * 60);

/// What a dyno is doing, as last asked and last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynoState {
    /// It was asked to start and is not ready yet.
    Starting,
    /// It takes requests; a process runs.
    Up,
    /// It takes requests, and gave its memory back until the next one comes.
    Idle,
    /// It was asked to end and gets nothing new. Users read `stopping`.
    Draining,
    /// It ended without being asked to.
    Crashed,
    /// It ended as asked, or never was.
    Down,
}

/// What may happen to a dyno.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// It is asked to start, in a place where none runs.
    Start,
    /// Its node reports that it is ready.
    Ready,
    /// Its node reports that it fell asleep.
    Sleep,
    /// Its node reports that it woke.
    Wake,
    /// It is asked to end.
    Drain,
    /// It ended by itself, or missed its boot deadline.
    Crash,
    /// Its node has nothing left of it.
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

    /// Whether requests may be handed to it.
    pub const fn is_serving(self) -> bool {
        matches!(self, DynoState::Up | DynoState::Idle)
    }

    /// Whether it serves or is about to.
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

/// The state after an event. An event that comes too late, twice or out of order changes nothing.
pub const fn next_state(state: DynoState, event: Event) -> DynoState {
    match (state, event) {
        (DynoState::Crashed | DynoState::Down, Event::Start) => DynoState::Starting,
        (DynoState::Starting, Event::Ready) | (DynoState::Idle, Event::Wake) => DynoState::Up,
        (DynoState::Starting | DynoState::Up, Event::Sleep) => DynoState::Idle,
        (DynoState::Starting | DynoState::Up | DynoState::Idle, Event::Drain) => {
            DynoState::Draining
        }
        (DynoState::Starting | DynoState::Up | DynoState::Idle, Event::Crash) => DynoState::Crashed,
        // It was to end anyway: however it did, nobody is to blame.
        (DynoState::Draining, Event::Crash | Event::Gone) => DynoState::Down,
        (DynoState::Starting | DynoState::Up | DynoState::Idle, Event::Gone) => DynoState::Down,
        (state, _) => state,
    }
}

/// The log line for a change, or nothing where nothing changed.
pub fn describe_change(from: DynoState, to: DynoState) -> Option<String> {
    (from != to).then(|| format!("State changed from {from} to {to}"))
}

#[cfg(test)]
mod tests;

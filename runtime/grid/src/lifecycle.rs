//! The states of a dyno and how they follow each other.
//!
//! Owns one total function, [`next`], the words for a change, and how long a dyno may take to end. Must not know timers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a dyno has to finish its work in when it is no longer wanted; then it is stopped (R12).
pub const DRAIN_GRACE: Duration = Duration::from_secs(30);
/// How long a release process may run: an hour is beyond any migration that a deploy should wait for.
pub const RELEASE_PROCESS_MAX: Duration = Duration::from_secs(60 * 60);

/// What a dyno is doing, as last asked and last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
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

impl State {
    /// Every state.
    pub const ALL: [State; 6] = [
        State::Starting,
        State::Up,
        State::Idle,
        State::Draining,
        State::Crashed,
        State::Down,
    ];

    /// Whether requests may be handed to it.
    pub const fn serves(self) -> bool {
        matches!(self, State::Up | State::Idle)
    }

    /// Whether it serves or is about to.
    pub const fn lives(self) -> bool {
        matches!(self, State::Starting | State::Up | State::Idle)
    }

    /// The word that users read.
    pub const fn word(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Up => "up",
            State::Idle => "idle",
            State::Draining => "stopping",
            State::Crashed => "crashed",
            State::Down => "down",
        }
    }
}

impl fmt::Display for State {
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
pub const fn next(state: State, event: Event) -> State {
    match (state, event) {
        (State::Crashed | State::Down, Event::Start) => State::Starting,
        (State::Starting, Event::Ready) | (State::Idle, Event::Wake) => State::Up,
        (State::Starting | State::Up, Event::Sleep) => State::Idle,
        (State::Starting | State::Up | State::Idle, Event::Drain) => State::Draining,
        (State::Starting | State::Up | State::Idle, Event::Crash) => State::Crashed,
        // It was to end anyway: however it did, nobody is to blame.
        (State::Draining, Event::Crash | Event::Gone) => State::Down,
        (State::Starting | State::Up | State::Idle, Event::Gone) => State::Down,
        (state, _) => state,
    }
}

/// The log line for a change, or nothing where nothing changed.
pub fn text(from: State, to: State) -> Option<String> {
    (from != to).then(|| format!("State changed from {from} to {to}"))
}

#[cfg(test)]
mod tests;

//! The input of planning: desired and observed state at one moment, and room on nodes.
//!
//! Owns the view that every part of planning shares. Must not choose a step.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use crate::desired::DesiredState;
use crate::name::{AppName, NodeId, ReleaseId};
use crate::observed::{FetchState, ObservedState};
use crate::time::Time;

/// Memory in bytes, and a number of dynos.
pub(super) type Room = (u64, u32);

/// Everything that a plan is made from.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) desired: &'a DesiredState,
    pub(super) observed: &'a ObservedState,
    pub(super) policy: &'a Policy,
    pub(super) now: Time,
    /// Nodes that can be told to do something.
    pub(super) live: &'a BTreeSet<NodeId>,
}

/// A release on a node.
pub(super) type FetchedRelease<'a> = (&'a AppName, ReleaseId, &'a NodeId, &'a FetchState);

pub(super) fn add_rooms(a: Room, b: Room) -> Room {
    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
}

pub(super) fn take_room(used: &mut BTreeMap<NodeId, Room>, node: &NodeId, room: Room) {
    match used.get_mut(node) {
        Some(taken) => *taken = add_rooms(*taken, room),
        None => drop(used.insert(node.clone(), room)),
    }
}

pub(super) fn earlier_time(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    a.into_iter().chain(b).min()
}

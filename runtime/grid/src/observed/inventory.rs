//! Comparing a node's inventory with what is known of the node.
//!
//! Owns which dynos an inventory adds and which dynos it ends. Must not decide what to do about them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dyno, DynoChange, DynoEnd, FetchState, Node, ObservedState};
use crate::lifecycle::DRAIN_GRACE;
use crate::lifecycle::{DynoState, Event};
use crate::name::DynoKey;
use crate::protocol::{CrashCause, Inventory, InventoryDyno};
use crate::time::Time;

impl ObservedState {
    /// Ignores an inventory of an earlier incarnation, and one that a later inventory overtook. Any other late
    /// inventory does no harm: dynos only move forward, and an inventory does not judge dynos that were started after
    /// it.
    pub(super) fn take_inventory(&mut self, inventory: &Inventory, now: Time) -> Vec<DynoChange> {
        let told = (inventory.incarnation, inventory.serial);
        let known = self
            .nodes
            .get(&inventory.node)
            .map(|node| (node.incarnation, node.serial));
        if known.is_some_and(|known| known > told) {
            return Vec::new();
        }
        let reborn = known.is_some_and(|(incarnation, _)| incarnation < inventory.incarnation);
        self.take_node(inventory, reborn, now);
        let mut changes = self.end_unlisted(inventory, reborn, now);
        for listed in &inventory.dynos {
            changes.extend(self.take_listed(inventory, listed, now));
        }
        changes
    }

    /// Whether an inventory says anything new.
    pub(super) fn differs_from(&self, inventory: &Inventory) -> bool {
        let Some(node) = self.nodes.get(&inventory.node) else {
            return true;
        };
        let fresh = |release| node.releases.get(release) != Some(&FetchState::Ready);
        let moved = |listed: &InventoryDyno| {
            let known = self.dynos.get(&listed.dyno);
            known.is_none_or(|dyno| dyno.state != listed.state)
        };
        let listed: BTreeSet<&DynoKey> = inventory.dynos.iter().map(|d| &d.dyno).collect();
        let mine = self
            .dynos
            .iter()
            .filter(|(_, dyno)| dyno.node == inventory.node);
        let size = (
            inventory.incarnation,
            inventory.memory_bytes,
            inventory.dynos_max,
        );
        size != (node.incarnation, node.memory_bytes, node.dynos_max)
            || inventory.heartbeats != node.heartbeats
            || inventory.releases.iter().any(fresh)
            || inventory.dynos.iter().any(moved)
            || mine.map(|(key, _)| key).any(|key| !listed.contains(key))
    }

    fn take_node(&mut self, inventory: &Inventory, reborn: bool, now: Time) {
        let mut releases = BTreeMap::new();
        if let Some(node) = self.nodes.remove(&inventory.node).filter(|_| !reborn) {
            releases = node.releases;
        }
        for release in &inventory.releases {
            releases.insert(release.clone(), FetchState::Ready);
        }
        let node = Node {
            incarnation: inventory.incarnation,
            serial: inventory.serial,
            heartbeats: inventory.heartbeats,
            memory_bytes: inventory.memory_bytes,
            dynos_max: inventory.dynos_max,
            heard: now,
            releases,
        };
        self.nodes.insert(inventory.node.clone(), node);
    }

    fn end_unlisted(&mut self, inventory: &Inventory, reborn: bool, now: Time) -> Vec<DynoChange> {
        let listed: BTreeSet<&DynoKey> =
            inventory.dynos.iter().map(|listed| &listed.dyno).collect();
        let gone = self.dynos.iter().filter(|(key, dyno)| {
            let judged = reborn || key.run <= inventory.last_run;
            dyno.node == inventory.node && judged && !listed.contains(key)
        });
        let gone: Vec<DynoKey> = gone.map(|(key, _)| key.clone()).collect();
        let mut changes = Vec::new();
        for key in gone {
            changes.extend(self.note_crash(
                &key,
                DynoEnd::without_request(CrashCause::Lost, "its node has lost it"),
                now,
            ));
            self.bury_dyno(&key);
        }
        changes
    }

    fn take_listed(
        &mut self,
        inventory: &Inventory,
        listed: &InventoryDyno,
        now: Time,
    ) -> Option<DynoChange> {
        let unheard = !self.dynos.contains_key(&listed.dyno);
        if unheard {
            if listed.dyno.run >= self.first_run || self.buried.contains(&listed.dyno.run) {
                return None;
            }
            let dyno = Dyno {
                node: inventory.node.clone(),
                release: listed.release,
                state: DynoState::Starting,
                since: now,
                started: now,
                told: now,
                acknowledged: true,
                up_since: None,
                memory_bytes: listed.memory_bytes,
                deadline: None,
                stopped: None,
                replaces: false,
            };
            self.dynos.insert(listed.dyno.clone(), dyno);
        }
        self.acknowledge_start(&inventory.node, &listed.dyno, now);
        let event = match listed.state {
            DynoState::Up => Some(Event::Ready),
            DynoState::Idle => Some(Event::Sleep),
            DynoState::Draining => Some(Event::Drain),
            DynoState::Starting | DynoState::Crashed | DynoState::Down => None,
        };
        let change = event.and_then(|event| self.advance_dyno(&listed.dyno, event, now));
        if let Some(dyno) = self.dynos.get_mut(&listed.dyno)
            && dyno.state == DynoState::Draining
        {
            // The reconciler that drained this dyno is gone, and the deadline with it.
            dyno.deadline.get_or_insert(now + DRAIN_GRACE);
        }
        // A dyno of an earlier reconciler has been logged before.
        if unheard { None } else { change }
    }
}

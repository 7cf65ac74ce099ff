//! The requests that wait for an attempt to create or destroy an add-on.
//!
//! Owns that each waiting request gets one result. Must not know how an attempt is made.

use super::error::ProvisionError;
use grid::name::{AddonName, Version};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// The state that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AddonGoal {
    Made,
    Gone,
}

pub(super) type AddonOutcome = Result<Option<Version>, ProvisionError>;

type OutcomeSenders = Vec<oneshot::Sender<AddonOutcome>>;

/// The waiting requests, by add-on and by the state that they wait for.
#[derive(Debug, Default)]
pub(super) struct AddonWaiters(Mutex<BTreeMap<(AddonName, AddonGoal), OutcomeSenders>>);

impl AddonWaiters {
    /// Registers a waiter for the outcome of the next attempt.
    pub(super) fn wait_for(
        &self,
        addon: &AddonName,
        wish: AddonGoal,
    ) -> oneshot::Receiver<AddonOutcome> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.0.lock();
        let waiters = waiting.entry((addon.clone(), wish)).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(answer);
        answered
    }

    /// Removes one waiter whose change was not made. Other waiters stay.
    pub(super) fn forget(
        &self,
        addon: &AddonName,
        wish: AddonGoal,
        answer: oneshot::Receiver<AddonOutcome>,
    ) {
        drop(answer);
        let mut waiting = self.0.lock();
        let key = (addon.clone(), wish);
        if let Some(waiters) = waiting.get_mut(&key) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                waiting.remove(&key);
            }
        }
    }

    pub(super) fn tell(&self, addon: &AddonName, wish: AddonGoal, answer: &AddonOutcome) {
        let waiters = self.0.lock().remove(&(addon.clone(), wish));
        for waiter in waiters.into_iter().flatten() {
            // The requester may have stopped waiting.
            let _ = waiter.send(answer.clone());
        }
    }

    pub(super) fn is_waited_for(&self, addon: &AddonName, wish: AddonGoal) -> bool {
        self.0.lock().contains_key(&(addon.clone(), wish))
    }
}

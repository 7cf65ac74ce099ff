//! The handle by which add-ons are asked for.
//!
//! Owns how long whoever asks waits. Must not know how an attempt is made.

use super::attempts::AddonsShared;
use super::error::{AddonError, ProvisionError};
use super::keeper::AddonKeeper;
use super::servers::AddonServers;
use super::waiters::{AddonGoal, AddonOutcome};
use crate::actor::Actor;
use crate::command::{AcceptedChange, AddonCommand, Command};
use crate::handle::Control;
use crate::ledger::IdempotencyKey;
use grid::desired::{Addon, AddonService, NewAddon};
use grid::name::AddonName;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long whoever asks waits for what comes of it: shorter than clients wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How far an add-on is that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddonRemoval {
    /// The keeper removed the add-on completely.
    Complete,
    /// Its apps do not have it any more; the rest goes as soon as it can.
    Later,
}

/// The handle by which add-ons are asked for. A clone leads to the same [`Keeper`].
#[derive(Clone, Debug)]
pub struct AddonsHandle(Arc<AddonsShared>);

impl AddonsHandle {
    /// A handle, and the task that does what is asked for by it.
    pub fn new(control: Control, servers: AddonServers) -> (AddonsHandle, AddonKeeper) {
        let shared = Arc::new(AddonsShared::new(control, servers));
        let keeper = AddonKeeper::new(Arc::clone(&shared));
        (AddonsHandle(shared), keeper)
    }

    /// Refuses a service that the operator does not offer.
    pub fn offers(&self, service: AddonService) -> Result<(), ProvisionError> {
        self.0.servers.get(service).map(drop)
    }

    /// Has an add-on made and attached to its app; returns the release that this made, if there was one before.
    /// If it fails, nothing is left, or what is left goes as soon as it can.
    pub async fn create(
        &self,
        asked: NewAddon,
        actor: Actor,
        key: Option<IdempotencyKey>,
    ) -> Result<AcceptedChange, AddonError> {
        self.offers(asked.service)?;
        let name = asked.name.clone();
        let answer = self.0.waiters.wait_for(&name, AddonGoal::Made);
        let create = Command::Addon(AddonCommand::Create(asked));
        match self.0.control.execute_command(create, actor, key).await {
            Ok(accepted) if accepted.repeated => {
                self.0.waiters.forget(&name, AddonGoal::Made, answer);
                Ok(accepted)
            }
            Ok(_) => {
                let version = self.answered(&name, answer).await?;
                let repeated = false;
                Ok(AcceptedChange { version, repeated })
            }
            Err(refused) => {
                self.0.waiters.forget(&name, AddonGoal::Made, answer);
                Err(refused.into())
            }
        }
    }

    /// Has an add-on go, with all that is in it.
    pub async fn destroy(&self, addon: &Addon, actor: Actor) -> Result<AddonRemoval, AddonError> {
        self.offers(addon.request.service)?;
        let name = addon.request.name.clone();
        let answer = self.0.waiters.wait_for(&name, AddonGoal::Gone);
        let addon = name.clone();
        let destroy = Command::Addon(AddonCommand::Destroy { addon });
        if let Err(refused) = self.0.control.execute_command(destroy, actor, None).await {
            self.0.waiters.forget(&name, AddonGoal::Gone, answer);
            return Err(refused.into());
        }
        self.0.nudge.notify_one();
        match self.answered(&name, answer).await {
            Ok(_) => Ok(AddonRemoval::Complete),
            Err(_) => Ok(AddonRemoval::Later),
        }
    }

    async fn answered(
        &self,
        addon: &AddonName,
        answer: oneshot::Receiver<AddonOutcome>,
    ) -> AddonOutcome {
        let late = || {
            let why = format!("{addon} is still being worked on: see `dyno addons`");
            ProvisionError::Overtaken(why)
        };
        match timeout(ANSWER_MAX, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }
}

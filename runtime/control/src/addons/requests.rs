//! `AddonsHandle`, the handle for requests about add-ons.
//!
//! Owns how long a request waits for its result. Must not know how an attempt is made.

use super::attempts::AddonsShared;
use super::error::{AddonError, ProvisionError};
use super::keeper::AddonKeeper;
use super::servers::AddonServers;
use super::waiters::{AddonGoal, AddonOutcome};
use crate::actor::Actor;
use crate::command::{AcceptedChange, AddonCommand, AddonSpec, Command};
use crate::handle::Control;
use crate::ledger::IdempotencyKey;
use grid::desired::{Addon, AddonService};
use grid::name::AddonName;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Time limit of a request for the result of an attempt: shorter than the timeout of clients.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The progress of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddonRemoval {
    /// The keeper removed the add-on completely.
    Complete,
    /// The add-on is detached from all apps. The rest is removed as soon as possible.
    Later,
}

/// `AddonsHandle`, the handle for requests about add-ons. Clones lead to the same [`AddonKeeper`].
#[derive(Clone, Debug)]
pub struct AddonsHandle(Arc<AddonsShared>);

impl AddonsHandle {
    /// Creates a handle and the keeper that executes its requests.
    pub fn new(control: Control, servers: AddonServers) -> (AddonsHandle, AddonKeeper) {
        let shared = Arc::new(AddonsShared::new(control, servers));
        let keeper = AddonKeeper::new(Arc::clone(&shared));
        (AddonsHandle(shared), keeper)
    }

    /// Returns an error for a service that the operator does not offer.
    pub fn offers(&self, service: AddonService) -> Result<(), ProvisionError> {
        self.0.servers.get(service).map(drop)
    }

    /// Creates an add-on and attaches it to its app. Returns the release that this created, if the app had a
    /// release before. After a failure nothing is left, or the rest is removed as soon as possible.
    pub async fn create(
        &self,
        asked: AddonSpec,
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
            Ok(accepted) => {
                let version = self.answered(&name, answer).await?;
                Ok(AcceptedChange {
                    version,
                    ..accepted
                })
            }
            Err(refused) => {
                self.0.waiters.forget(&name, AddonGoal::Made, answer);
                Err(refused.into())
            }
        }
    }

    /// Destroys an add-on with all its data.
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

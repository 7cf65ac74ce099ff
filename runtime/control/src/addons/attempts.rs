//! Attempts to make, destroy and tend an add-on.
//!
//! Owns what follows from how an attempt ended. Must not know when one is made, nor how a service is made.

use super::error::ProvisionError;
use super::servers::AddonServers;
use super::waiters::{AddonGoal, AddonOutcome, AddonWaiters};
use crate::actor::Actor;
use crate::command::{AcceptedChange, AddonCommand, Command};
use crate::handle::{Control, ControlError};
use grid::desired::{AddonDetails, AddonService, AddonState, NewAddon};
use grid::name::AddonName;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Until an add-on is made, at most; it is taken back then.
const CREATE_MAX: Duration = Duration::from_secs(30);
/// Until an add-on that was not made is taken back, at most; it goes on later.
const TAKE_BACK_MAX: Duration = Duration::from_secs(15);
/// Until an add-on is destroyed, at most; it goes on later. Removing a hundred million keys takes some minutes.
const DESTROY_MAX: Duration = Duration::from_secs(10 * 60);

pub(super) struct AddonsShared {
    pub(super) control: Control,
    pub(super) servers: AddonServers,
    pub(super) waiters: AddonWaiters,
    /// Somebody waits for an attempt.
    pub(super) nudge: Notify,
    /// Numbers of Redis databases are given one by one.
    pub(super) numbers: tokio::sync::Mutex<()>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum AttemptEnd {
    /// The ledger says the rest.
    Done,
    /// It is to be tried again, after a pause.
    Again(Option<ProvisionError>),
    /// It is to be taken back, and the ledger could not be told.
    Doomed,
}

impl fmt::Debug for AddonsShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addons").field(&self.servers).finish()
    }
}

impl AddonsShared {
    pub(super) fn new(control: Control, servers: AddonServers) -> Self {
        AddonsShared {
            control,
            servers,
            waiters: AddonWaiters::default(),
            nudge: Notify::new(),
            numbers: tokio::sync::Mutex::default(),
        }
    }

    /// Tells the ledger, in the name of whoever asked for the add-on.
    async fn send_command(
        &self,
        asked: &NewAddon,
        command: AddonCommand,
    ) -> Result<AcceptedChange, ControlError> {
        let actor = Actor::now(&asked.created_by);
        let command = Command::Addon(command);
        self.control.execute_command(command, actor, None).await
    }

    /// One attempt to make an add-on, and to take it back if that fails.
    pub(super) async fn make_addon(&self, asked: &NewAddon, doomed: bool) -> AttemptEnd {
        let addon = &asked.name;
        // Whoever asked it in this run of the server: so nothing was there before.
        let fresh = self.waiters.is_waited_for(addon, AddonGoal::Made);
        let answer = match doomed {
            true => Err(ProvisionError::Overtaken("it failed before".to_owned())),
            false => self.try_make_addon(asked).await,
        };
        let end = match &answer {
            Ok(_) => AttemptEnd::Done,
            Err(error) if fresh && error.leaves_nothing_behind() => self.record_gone(asked).await,
            Err(_) => self.remove_failed_addon(asked).await,
        };
        self.waiters.tell(addon, AddonGoal::Made, &answer);
        end
    }

    async fn try_make_addon(&self, asked: &NewAddon) -> AddonOutcome {
        let server = self.servers.get(asked.service)?;
        let _one_by_one = match asked.service {
            AddonService::Redis => Some(self.numbers.lock().await),
            AddonService::Postgresql | AddonService::Memcached => None,
        };
        let numbers = self.numbers();
        let made = timeout(CREATE_MAX, server.create_addon(asked, &numbers)).await;
        let made = made.unwrap_or_else(|_| {
            Err(ProvisionError::Timeout {
                service: asked.service,
                place: server.address(),
            })
        })?;
        let addon = asked.name.clone();
        let noted = self
            .send_command(asked, AddonCommand::Made { addon, made })
            .await;
        let accepted = noted.map_err(|refused| ProvisionError::Overtaken(refused.to_string()))?;
        Ok(accepted.version)
    }

    /// Numbers of Redis databases that add-ons have.
    fn numbers(&self) -> BTreeSet<u16> {
        let view = self.control.view();
        let all = view.desired.addons.values();
        all.filter_map(|addon| match &addon.state {
            AddonState::Ready(made) | AddonState::Destroying(Some(made)) => made.number,
            AddonState::Creating | AddonState::Destroying(None) => None,
        })
        .collect()
    }

    /// Removes what was made of an add-on that was not made, now or later.
    async fn remove_failed_addon(&self, asked: &NewAddon) -> AttemptEnd {
        let removed = match self.servers.get(asked.service) {
            Ok(server) => timeout(TAKE_BACK_MAX, server.destroy_addon(asked, None)).await,
            Err(error) => Ok(Err(error)),
        };
        if let Ok(Ok(())) = removed {
            return self.record_gone(asked).await;
        }
        let addon = asked.name.clone();
        match self
            .send_command(asked, AddonCommand::Destroy { addon })
            .await
        {
            Ok(_) | Err(ControlError::Rejected(_)) => AttemptEnd::Again(None),
            Err(_) => AttemptEnd::Doomed,
        }
    }

    /// Says that nothing is left. What does not fit any more has been said by another.
    async fn record_gone(&self, asked: &NewAddon) -> AttemptEnd {
        let addon = asked.name.clone();
        match self.send_command(asked, AddonCommand::Gone { addon }).await {
            Ok(_) | Err(ControlError::Rejected(_)) => AttemptEnd::Done,
            Err(_) => AttemptEnd::Doomed,
        }
    }

    /// One attempt to destroy an add-on.
    pub(super) async fn destroy_addon(
        &self,
        asked: &NewAddon,
        made: Option<&AddonDetails>,
    ) -> AttemptEnd {
        let removed = match self.servers.get(asked.service) {
            Ok(server) => {
                let removed = timeout(DESTROY_MAX, server.destroy_addon(asked, made)).await;
                let (service, place) = (asked.service, server.address());
                removed.unwrap_or(Err(ProvisionError::Timeout { service, place }))
            }
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => {
                let end = self.record_gone(asked).await;
                self.waiters.tell(&asked.name, AddonGoal::Gone, &Ok(None));
                end
            }
            Err(error) => {
                self.waiters
                    .tell(&asked.name, AddonGoal::Gone, &Err(error.clone()));
                AttemptEnd::Again(Some(error))
            }
        }
    }

    /// Sees to it that the server knows what it was told of an add-on. What cannot be done now is done the next time.
    pub(super) async fn tend_addon(&self, addon: &AddonName) {
        let view = self.control.view();
        if let Some(addon) = view.desired.addons.get(addon)
            && let AddonState::Ready(made) = &addon.state
            && let Ok(server) = self.servers.get(addon.request.service)
        {
            let _ = timeout(TAKE_BACK_MAX, server.tend_addon(&addon.request, made)).await;
        }
    }
}

//! Attempts to create, destroy and tend add-ons.
//!
//! Owns the consequences of an attempt's outcome. Must not know when attempts are made, nor how a service creates
//! an add-on.

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

/// Time limit for creating an add-on. After this time it is removed.
const CREATE_MAX: Duration = Duration::from_secs(30);
/// Time limit for removing an add-on that could not be created. After this time the removal continues later.
const TAKE_BACK_MAX: Duration = Duration::from_secs(15);
/// Time limit for destroying an add-on. After this time the removal continues later. Removing a hundred million
/// Redis keys takes some minutes.
const DESTROY_MAX: Duration = Duration::from_secs(10 * 60);

pub(super) struct AddonsShared {
    pub(super) control: Control,
    pub(super) servers: AddonServers,
    pub(super) waiters: AddonWaiters,
    /// Wakes the keeper, because a request waits for an attempt.
    pub(super) nudge: Notify,
    /// Held while a Redis add-on is created, so that a database number is used once.
    pub(super) numbers: tokio::sync::Mutex<()>,
}

/// The end of an attempt.
#[derive(Debug)]
pub(super) enum AttemptEnd {
    /// Nothing more to do: the ledger has the result.
    Done,
    /// The attempt must be repeated after a pause.
    Again(Option<ProvisionError>),
    /// The add-on must be removed, but the ledger could not be written.
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

    /// Executes a command in the name of the actor who requested the add-on.
    async fn send_command(
        &self,
        asked: &NewAddon,
        command: AddonCommand,
    ) -> Result<AcceptedChange, ControlError> {
        let actor = Actor::new(&asked.created_by);
        let command = Command::Addon(command);
        self.control.execute_command(command, actor, None).await
    }

    /// One attempt to create an add-on. Removes the add-on if the attempt fails.
    pub(super) async fn make_addon(&self, asked: &NewAddon, doomed: bool) -> AttemptEnd {
        let addon = &asked.name;
        // A request of this server run waits, so this is the first attempt and nothing existed before.
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

    /// The Redis database numbers that add-ons use.
    fn numbers(&self) -> BTreeSet<u16> {
        let view = self.control.view();
        let all = view.desired.addons.values();
        all.filter_map(|addon| match &addon.state {
            AddonState::Ready(made) | AddonState::Destroying(Some(made)) => made.number,
            AddonState::Creating | AddonState::Destroying(None) => None,
        })
        .collect()
    }

    /// Removes the parts of an add-on that could not be created, now or later.
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

    /// Records that nothing is left. A rejected command means that this is recorded already.
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

    /// Restores parts of an add-on that the server lost. A failure is ignored, since the next round tries again.
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

//! Which status and id each refusal of the reconciler and of the slug store gets.
//!
//! Owns that table. Must not know routes.

use crate::failure::{Failure, chain};
use axum::http::StatusCode;
use control::CommandError;
use control::access;
use control::logs::LogTailError;
use control::usage::UsageError;
use control::{ControlError, ReconcilerEnded};
use grid::desired::FactError;
use grid::plan::OneOffError;
use slugs::store::StoreError;

/// When it may be worth to try again after the disk was full, in seconds.
const STORAGE_RETRY_SECS: u64 = 10;

fn storage(message: String) -> Failure {
    Failure::unavailable("storage_unavailable", message).retry_after(STORAGE_RETRY_SECS)
}

impl From<ControlError> for Failure {
    fn from(refused: ControlError) -> Self {
        let text = refused.to_string();
        match refused {
            ControlError::Rejected(rejected) => rejected.into(),
            ControlError::Access(misfit) => misfit.into(),
            ControlError::KeyReused => Failure::conflict("idempotency_key_reused", text),
            ControlError::Unavailable(_) => storage(text),
            ControlError::Unsure(_) => Failure::unavailable("unsure", text),
            ControlError::TooLarge { .. } => {
                Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
            }
            ControlError::Gone(gone) => gone.into(),
        }
    }
}

impl From<ReconcilerEnded> for Failure {
    fn from(_: ReconcilerEnded) -> Self {
        shutting_down()
    }
}

fn shutting_down() -> Failure {
    Failure::unavailable("shutting_down", "the server is shutting down").retry_after(1)
}

impl From<CommandError> for Failure {
    fn from(rejected: CommandError) -> Self {
        let text = rejected.to_string();
        match rejected {
            CommandError::Misfit(misfit) => misfit.into(),
            CommandError::NoRelease(_) => Failure::conflict("no_release", text),
            CommandError::StillEnding(_) => Failure::conflict("still_ending", text),
            CommandError::NoSuchDyno { .. } => Failure::not_found(text),
            CommandError::ShuttingDown => shutting_down(),
            CommandError::ConfigOwned { .. } => Failure::conflict("config_owned", text),
            CommandError::ConfigTaken { .. } => Failure::conflict("config_taken", text),
            CommandError::AttachmentTaken { .. } | CommandError::AttachedAlready { .. } => {
                Failure::conflict("attached_already", text)
            }
            CommandError::OwnAddon { .. } => Failure::conflict("own_addon", text),
            // Which app it is may be none of the caller's business.
            CommandError::AddonShared { addon, .. } => Failure::conflict(
                "addon_shared",
                format!(
                    "the add-on {addon} is attached to another app too: detach it there first, or destroy it"
                ),
            ),
            CommandError::TooManyAddons(_) => Failure::conflict("too_many_addons", text),
            CommandError::NoSuchProcess { .. } => Failure::missing("no_such_process", text),
            CommandError::RunsOnce(_) => Failure::invalid("runs_once", text),
            CommandError::NotRestarted(_) => Failure::conflict("runs_once", text),
            CommandError::OneOff(refused) => refused.into(),
            CommandError::TooManyAtOnce => Failure::unavailable("busy", text).retry_after(1),
            CommandError::NothingToRun => Failure::invalid("nothing_to_run", text),
            CommandError::TooManyDynos { .. }
            | CommandError::ConfigName(_)
            | CommandError::ConfigSize(_)
            | CommandError::Memory { .. }
            | CommandError::RequestTimeout(_)
            | CommandError::IdleAfter(_) => Failure::invalid("invalid_value", text),
        }
    }
}

impl From<OneOffError> for Failure {
    fn from(refused: OneOffError) -> Self {
        let text = refused.to_string();
        match refused {
            OneOffError::NoSuchApp(_) => Failure::not_found(text),
            OneOffError::NoRelease(_) => Failure::conflict("no_release", text),
            OneOffError::TooMany(_) => Failure::conflict("too_many_one_offs", text),
            OneOffError::NoRoom { .. } => Failure::unavailable("no_room", text).retry_after(10),
        }
    }
}

impl From<FactError> for Failure {
    fn from(misfit: FactError) -> Self {
        let text = misfit.to_string();
        match misfit {
            FactError::NoSuchApp(_) | FactError::NoSuchDomain { .. } => Failure::not_found(text),
            FactError::NoSuchRelease { .. } => Failure::missing("no_such_release", text),
            FactError::AppExists(_) => Failure::conflict("app_exists", text),
            // Whose it is may be none of the caller's business.
            FactError::AddonExists(name) => {
                let text = format!("the name {name} is taken: give the add-on another one");
                Failure::conflict("addon_exists", text)
            }
            FactError::NoSuchAddon(_) | FactError::NotAttached { .. } => {
                Failure::missing("no_such_addon", text)
            }
            // Whose it is may be none of the caller's business.
            FactError::HostnameTaken { hostname, .. } => {
                let text = format!("the host name {hostname} belongs to another app");
                Failure::conflict("hostname_taken", text)
            }
            FactError::VersionGap { .. } => {
                Failure::conflict("overtaken", "another change came first: try again")
            }
        }
    }
}

impl From<access::AccessError> for Failure {
    fn from(misfit: access::AccessError) -> Self {
        let text = misfit.to_string();
        match misfit {
            access::AccessError::NoSuchToken(_) => Failure::not_found(text),
            access::AccessError::LastAdmin(_) => Failure::conflict("last_admin", text),
            access::AccessError::TokenExists(_) => Failure::conflict("token_exists", text),
            access::AccessError::TooMany => Failure::conflict("too_many_tokens", text),
            access::AccessError::Name => Failure::invalid("invalid_value", text),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = chain(&error);
        match error {
            StoreError::NotFound { .. } => Failure::not_found(text),
            StoreError::Refused(_) => Failure::invalid("slug_refused", text),
            StoreError::Mismatch { .. } => Failure::invalid("slug_mismatch", text),
            StoreError::Checksum { .. } => Failure::conflict("slug_damaged", text),
            // The path is the operator's business.
            StoreError::Disk { what, .. } => storage(format!(
                "{what} failed on the server: its disk may be full or read-only"
            )),
        }
    }
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        storage(error.to_string())
    }
}

impl From<LogTailError> for Failure {
    fn from(error: LogTailError) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Failure::new(status, "too_many_readers", error.to_string()).retry_after(10)
    }
}

//! The status and id of each error of `control` and of the slug store.
//!
//! Owns this table. Must not know routes.

use crate::failure::{ApiFailure, format_error_chain};
use axum::http::StatusCode;
use control::CommandError;
use control::access;
use control::logs::LogTailError;
use control::usage::UsageError;
use control::{ControlError, ReconcilerEnded};
use grid::desired::FactError;
use grid::plan::OneOffError;
use slugs::store::StoreError;

/// `Retry-After` in seconds while the ledger or the slug store cannot be written: an operator has to make room.
const STORAGE_RETRY_SECS: u64 = 10;
/// `Retry-After` in seconds while no node has room for a one-off dyno: another dyno has to end first.
const NO_ROOM_RETRY_SECS: u64 = 10;
/// `Retry-After` in seconds while too many clients follow logs.
const READERS_RETRY_SECS: u64 = 10;
/// `Retry-After` in seconds when the server is busy or ends: the next attempt may reach its successor.
const SOON_RETRY_SECS: u64 = 1;

fn storage_failure(message: String) -> ApiFailure {
    ApiFailure::unavailable("storage_unavailable", message).retry_after(STORAGE_RETRY_SECS)
}

impl From<ControlError> for ApiFailure {
    fn from(refused: ControlError) -> Self {
        let text = refused.to_string();
        match refused {
            ControlError::Rejected(rejected) => rejected.into(),
            ControlError::Access(error) => error.into(),
            ControlError::KeyReused => ApiFailure::conflict("idempotency_key_reused", text),
            ControlError::Unavailable(_) => storage_failure(text),
            ControlError::Unsure(_) => ApiFailure::unavailable("unsure", text),
            ControlError::TooLarge { .. } => {
                ApiFailure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
            }
            ControlError::Gone(gone) => gone.into(),
        }
    }
}

impl From<ReconcilerEnded> for ApiFailure {
    fn from(_: ReconcilerEnded) -> Self {
        shutting_down()
    }
}

fn shutting_down() -> ApiFailure {
    ApiFailure::unavailable("shutting_down", "the server is shutting down")
        .retry_after(SOON_RETRY_SECS)
}

impl From<CommandError> for ApiFailure {
    fn from(rejected: CommandError) -> Self {
        let text = rejected.to_string();
        match rejected {
            CommandError::Misfit(error) => error.into(),
            CommandError::NoRelease(_) => ApiFailure::conflict("no_release", text),
            CommandError::StillEnding(_) => ApiFailure::conflict("still_ending", text),
            CommandError::NoSuchDyno { .. } => ApiFailure::not_found(text),
            CommandError::ShuttingDown => shutting_down(),
            CommandError::ConfigOwned { .. } => ApiFailure::conflict("config_owned", text),
            CommandError::ConfigTaken { .. } => ApiFailure::conflict("config_taken", text),
            CommandError::AttachmentTaken { .. } | CommandError::AttachedAlready { .. } => {
                ApiFailure::conflict("attached_already", text)
            }
            CommandError::OwnAddon { .. } => ApiFailure::conflict("own_addon", text),
            // The caller's token may not show the other app, so the message does not name it.
            CommandError::AddonShared { addon, .. } => ApiFailure::conflict(
                "addon_shared",
                format!(
                    "the add-on {addon} is attached to another app too: detach it there first, or destroy it"
                ),
            ),
            CommandError::TooManyAddons(_) => ApiFailure::conflict("too_many_addons", text),
            CommandError::NoSuchProcess { .. } => {
                ApiFailure::not_found_with_id("no_such_process", text)
            }
            CommandError::RunsOnce(_) => ApiFailure::unprocessable("runs_once", text),
            CommandError::NotRestarted(_) => ApiFailure::conflict("runs_once", text),
            CommandError::OneOff(refused) => refused.into(),
            CommandError::TooManyAtOnce => {
                ApiFailure::unavailable("busy", text).retry_after(SOON_RETRY_SECS)
            }
            CommandError::NothingToRun => ApiFailure::unprocessable("nothing_to_run", text),
            CommandError::TooManyDynos { .. }
            | CommandError::ConfigName(_)
            | CommandError::ConfigSize(_)
            | CommandError::Memory { .. }
            | CommandError::RequestTimeout(_)
            | CommandError::IdleAfter(_) => ApiFailure::invalid_value(text),
        }
    }
}

impl From<OneOffError> for ApiFailure {
    fn from(refused: OneOffError) -> Self {
        let text = refused.to_string();
        match refused {
            OneOffError::NoSuchApp(_) => ApiFailure::not_found(text),
            OneOffError::NoRelease(_) => ApiFailure::conflict("no_release", text),
            OneOffError::TooMany(_) => ApiFailure::conflict("too_many_one_offs", text),
            OneOffError::NoRoom { .. } => {
                ApiFailure::unavailable("no_room", text).retry_after(NO_ROOM_RETRY_SECS)
            }
        }
    }
}

impl From<FactError> for ApiFailure {
    fn from(error: FactError) -> Self {
        let text = error.to_string();
        match error {
            FactError::NoSuchApp(_) | FactError::NoSuchNode(_) | FactError::NoSuchDomain { .. } => {
                ApiFailure::not_found(text)
            }
            FactError::NoSuchRelease { .. } => {
                ApiFailure::not_found_with_id("no_such_release", text)
            }
            FactError::AppExists(_) => ApiFailure::conflict("app_exists", text),
            // The caller's token may not show the other app, so the message does not name it.
            FactError::AddonExists(name) => {
                let text = format!("the name {name} is taken: give the add-on another one");
                ApiFailure::conflict("addon_exists", text)
            }
            FactError::NoSuchAddon(_) | FactError::NotAttached { .. } => {
                ApiFailure::not_found_with_id("no_such_addon", text)
            }
            // The caller's token may not show the other app, so the message does not name it.
            FactError::HostnameTaken { hostname, .. } => {
                let text = format!("the hostname {hostname} belongs to another app");
                ApiFailure::conflict("hostname_taken", text)
            }
            FactError::VersionGap { .. } => {
                ApiFailure::conflict("overtaken", "another change came first: try again")
            }
        }
    }
}

impl From<access::AccessError> for ApiFailure {
    fn from(error: access::AccessError) -> Self {
        let text = error.to_string();
        match error {
            access::AccessError::NoSuchToken(_) => ApiFailure::not_found(text),
            access::AccessError::LastAdmin(_) => ApiFailure::conflict("last_admin", text),
            access::AccessError::TokenExists(_) => ApiFailure::conflict("token_exists", text),
            access::AccessError::TooMany => ApiFailure::conflict("too_many_tokens", text),
            access::AccessError::Name => ApiFailure::invalid_value(text),
        }
    }
}

impl From<StoreError> for ApiFailure {
    fn from(error: StoreError) -> Self {
        let text = format_error_chain(&error);
        match error {
            StoreError::NotFound { .. } => ApiFailure::not_found(text),
            StoreError::Refused(_) => ApiFailure::unprocessable("slug_refused", text),
            StoreError::Mismatch { .. } => ApiFailure::unprocessable("slug_mismatch", text),
            StoreError::Checksum { .. } => ApiFailure::conflict("slug_damaged", text),
            // Callers are not told paths on the server.
            StoreError::Disk { what, .. } => storage_failure(format!(
                "{what} failed on the server: its disk may be full or read-only"
            )),
        }
    }
}

impl From<UsageError> for ApiFailure {
    fn from(error: UsageError) -> Self {
        storage_failure(error.to_string())
    }
}

impl From<LogTailError> for ApiFailure {
    fn from(error: LogTailError) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        ApiFailure::new(status, "too_many_readers", error.to_string())
            .retry_after(READERS_RETRY_SECS)
    }
}

//! The settings of the stream.
//!
//! Owns the settings that keep a ledger safe, and the remedy where a stream has others. Must not know connections.

use super::message::{ENTRY_SUBJECT, MESSAGE_BYTES_MAX, STORED_SUBJECT, STREAM_NAME};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, PersistenceMode, Republish, RetentionPolicy, StorageType,
};
use std::time::Duration;

/// The stream has a setting with which a ledger is not safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stream {STREAM_NAME} has {setting} = {found}, but a ledger needs {needed} ({reason}): {remedy}"
)]
pub struct StreamSettingError {
    /// The name of the setting, as in the stream's configuration.
    pub setting: &'static str,
    /// The value that the stream has.
    pub found: String,
    /// The value that a ledger needs.
    pub needed: String,
    /// What goes wrong otherwise.
    reason: &'static str,
    /// What to do.
    remedy: &'static str,
}

/// The remedy for settings that an existing stream can change.
const EDIT: &str = "change it with `nats stream edit LEDGER`";
/// The remedy for settings that are fixed when a stream is created.
const CREATE_ANEW: &str = "an existing stream cannot change it. Remove the stream, and make it anew with `dyno grid restore` from a node's \
     copy";

/// The settings of a stream for a ledger.
pub(super) fn stream_settings(replicas: usize) -> Config {
    Config {
        name: STREAM_NAME.to_owned(),
        description: Some("The ledger of dyno: sealed entries, one a message".to_owned()),
        subjects: vec![ENTRY_SUBJECT.to_owned()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: -1,
        max_consumers: -1,
        max_message_size: i32::try_from(MESSAGE_BYTES_MAX).unwrap_or(i32::MAX),
        deny_delete: true,
        deny_purge: true,
        allow_direct: false,
        republish: Some(Republish {
            source: ENTRY_SUBJECT.to_owned(),
            destination: STORED_SUBJECT.to_owned(),
            headers_only: true,
        }),
        ..Config::default()
    }
}

/// Refuses a stream whose settings differ in what matters.
pub(super) fn check_settings(found: &Config, replicas: usize) -> Result<(), StreamSettingError> {
    check_identity(found, replicas)?;
    check_permanence(found)?;
    check_limits(found)
}

/// Whose messages the stream holds, and where.
fn check_identity(found: &Config, replicas: usize) -> Result<(), StreamSettingError> {
    check(
        "subjects",
        format!("{:?}", found.subjects),
        format!("{:?}", [ENTRY_SUBJECT]),
        ("other messages would take places of entries", EDIT),
    )?;
    let copied = found.mirror.is_some() || found.sources.as_ref().is_some_and(|s| !s.is_empty());
    check(
        "mirror or sources",
        copied,
        false,
        ("other streams would write the ledger", CREATE_ANEW),
    )?;
    let transform = found.subject_transform.is_some();
    let reason = "entries would change their subject";
    check("subject_transform", transform, false, (reason, EDIT))?;
    let storage = format!("{:?}", found.storage);
    let reason = "entries would be lost with the last server";
    let needed = format!("{:?}", StorageType::File);
    check("storage", storage, needed, (reason, CREATE_ANEW))?;
    let remedy =
        "change it with `nats stream edit LEDGER --replicas`, once there are as many servers";
    let reason = "each entry must be on that many servers";
    check(
        "num_replicas",
        found.num_replicas,
        replicas,
        (reason, remedy),
    )
}

/// Whether entries, once acknowledged, are there for ever and for everybody.
fn check_permanence(found: &Config) -> Result<(), StreamSettingError> {
    let removable = "entries could be removed";
    check("deny_delete", found.deny_delete, true, (removable, EDIT))?;
    check("deny_purge", found.deny_purge, true, (removable, EDIT))?;
    check(
        "allow_rollup_hdrs",
        found.allow_rollup,
        false,
        (removable, EDIT),
    )?;
    check(
        "allow_msg_ttl",
        found.allow_message_ttl,
        false,
        (removable, CREATE_ANEW),
    )?;
    let retention = format!("{:?}", found.retention);
    let needed = format!("{:?}", RetentionPolicy::Limits);
    check("retention", retention, needed, (removable, CREATE_ANEW))?;
    let reason = "appends would never learn their place";
    check("no_ack", found.no_ack, false, (reason, EDIT))?;
    let asynchronous = found.persist_mode == Some(PersistenceMode::Async);
    let reason = "acknowledged entries could be lost";
    check(
        "persist_mode async",
        asynchronous,
        false,
        (reason, CREATE_ANEW),
    )?;
    let reason = "reads would miss entries that were acknowledged before";
    check("allow_direct", found.allow_direct, false, (reason, EDIT))?;
    let reason = "nothing could be appended";
    check("sealed", found.sealed, false, (reason, CREATE_ANEW))
}

/// Whether the stream takes every entry, and drops none to make room.
fn check_limits(found: &Config) -> Result<(), StreamSettingError> {
    let dropped = "old entries would be dropped for new ones";
    let discard = format!("{:?}", found.discard);
    let needed = format!("{:?}", DiscardPolicy::New);
    check("discard", discard, needed, (dropped, EDIT))?;
    let old = "old entries would be removed";
    check("max_age", found.max_age, Duration::ZERO, (old, EDIT))?;
    let full = "changes would be refused once the stream is full";
    let limits = [
        ("max_msgs", found.max_messages),
        ("max_msgs_per_subject", found.max_messages_per_subject),
        ("max_bytes", found.max_bytes),
    ];
    for (setting, limit) in limits {
        // The engine takes 0 for no limit as well.
        check(setting, limit.max(-1), -1, (full, EDIT)).or_else(|error| match limit {
            0 => Ok(()),
            _ => Err(error),
        })?;
    }
    let size = usize::try_from(found.max_message_size).unwrap_or(0);
    if size != 0 && size < MESSAGE_BYTES_MAX {
        let reason = "large entries would be refused";
        check("max_msg_size", size, MESSAGE_BYTES_MAX, (reason, EDIT))?;
    }
    Ok(())
}

fn check<T: PartialEq + std::fmt::Debug>(
    setting: &'static str,
    found: T,
    needed: T,
    (reason, remedy): (&'static str, &'static str),
) -> Result<(), StreamSettingError> {
    if found == needed {
        return Ok(());
    }
    Err(StreamSettingError {
        setting,
        found: format!("{found:?}").replace('"', ""),
        needed: format!("{needed:?}").replace('"', ""),
        reason,
        remedy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type ChangeSetting = fn(&mut Config);

    #[test]
    fn the_own_settings_pass() {
        for replicas in [1, 3] {
            assert_eq!(check_settings(&stream_settings(replicas), replicas), Ok(()));
        }
    }

    #[test]
    fn each_other_setting_is_refused_by_name() {
        let changes: [(&str, ChangeSetting); 17] = [
            ("subjects", |config| config.subjects.push("other".into())),
            ("mirror or sources", |config| {
                config.mirror = Some(Default::default())
            }),
            ("storage", |config| config.storage = StorageType::Memory),
            ("num_replicas", |config| config.num_replicas = 1),
            ("deny_delete", |config| config.deny_delete = false),
            ("deny_purge", |config| config.deny_purge = false),
            ("allow_rollup_hdrs", |config| config.allow_rollup = true),
            ("allow_msg_ttl", |config| config.allow_message_ttl = true),
            ("retention", |config| {
                config.retention = RetentionPolicy::WorkQueue
            }),
            ("no_ack", |config| config.no_ack = true),
            ("persist_mode async", |config| {
                config.persist_mode = Some(PersistenceMode::Async)
            }),
            ("allow_direct", |config| config.allow_direct = true),
            ("sealed", |config| config.sealed = true),
            ("discard", |config| config.discard = DiscardPolicy::Old),
            ("max_age", |config| config.max_age = Duration::from_secs(60)),
            ("max_msgs", |config| config.max_messages = 10),
            ("max_msg_size", |config| config.max_message_size = 1_000),
        ];
        for (setting, change) in changes {
            let mut config = stream_settings(3);
            change(&mut config);
            let refused = check_settings(&config, 3).expect_err(setting);
            assert_eq!(refused.setting, setting);
        }
    }
}

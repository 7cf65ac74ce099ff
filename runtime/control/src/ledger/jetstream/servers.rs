//! Checks of all servers of the engine: their version, and whether they sync each write to the disk.
//!
//! Owns the question to all servers. Must not know streams.
//!
//! Only the system account is told of all servers, and how they write. Without `sync_interval: always` a server syncs every two minutes, and loses what it
//! acknowledged since when its machine loses power.

use super::error::{JetStreamOpenError, check_version};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The subject on which every server answers with its state.
const STATE_SUBJECT: &str = "$SYS.REQ.SERVER.PING.VARZ";
/// Time for the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// Time for each further answer: the number of servers is not known.
const FURTHER_ANSWER: Duration = Duration::from_millis(500);
/// Maximum number of answers.
const SERVERS_MAX: usize = 64;

/// No server answered.
#[derive(Debug, thiserror::Error)]
#[error("no server answers to the system account")]
struct NoServerAnswers;

#[derive(Deserialize)]
struct StateAnswer {
    server: AnsweringServer,
    data: ServerState,
}

#[derive(Deserialize)]
struct AnsweringServer {
    name: String,
    #[serde(rename = "ver")]
    version: String,
}

#[derive(Deserialize)]
struct ServerState {
    #[serde(default)]
    jetstream: JetStreamState,
}

#[derive(Default, Deserialize)]
struct JetStreamState {
    /// Absent where JetStream is off.
    config: Option<JetStreamConfig>,
}

#[derive(Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
}

/// Refuses an engine with a server that is too old, or does not sync each write. `system` has a login of the system
/// account.
pub(super) async fn check_servers(system: &Client) -> Result<(), JetStreamOpenError> {
    let mut answers = ask_servers(system).await?;
    let mut wait = FIRST_ANSWER;
    for count in 0..SERVERS_MAX {
        let answer = match timeout(wait, answers.next()).await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) if count == 0 => {
                return Err(JetStreamOpenError::SystemLogin(Arc::new(NoServerAnswers)));
            }
            Ok(None) | Err(_) => return Ok(()),
        };
        wait = FURTHER_ANSWER;
        check_answer(&answer.payload)?;
    }
    Ok(())
}

async fn ask_servers(system: &Client) -> Result<Subscriber, JetStreamOpenError> {
    let inbox = system.new_inbox();
    let failed = |error: async_nats::Error| JetStreamOpenError::SystemLogin(Arc::from(error));
    let answers = system.subscribe(inbox.clone()).await;
    let answers = answers.map_err(|error| failed(error.into()))?;
    let asked = system.publish_with_reply(STATE_SUBJECT, inbox, "".into());
    asked.await.map_err(|error| failed(error.into()))?;
    Ok(answers)
}

fn check_answer(payload: &[u8]) -> Result<(), JetStreamOpenError> {
    // Without responders the answer is empty: the login is not of the system account.
    let state: StateAnswer = serde_json::from_slice(payload)
        .map_err(|error| JetStreamOpenError::SystemLogin(Arc::new(error)))?;
    let AnsweringServer { name, version } = state.server;
    match state.data.jetstream.config {
        // A server without JetStream holds no entries.
        None => Ok(()),
        Some(config) if !config.sync_always => Err(JetStreamOpenError::NotSynced { server: name }),
        Some(_) => check_version(name, version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: &str, data: &str) -> Result<(), JetStreamOpenError> {
        let answer =
            format!(r#"{{"server":{{"name":"n1","ver":"{version}"}},"data":{{"a":1{data}}}}}"#);
        check_answer(answer.as_bytes())
    }

    const SYNCED: &str = r#","jetstream":{"config":{"sync_always":true}}"#;

    #[test]
    fn servers_that_sync_and_servers_without_jetstream_pass() {
        check("2.12.8", SYNCED).expect("it syncs");
        check("2.9.10", "").expect("it holds nothing");
        check("2.9.10", r#","jetstream":{}"#).expect("it holds nothing");
    }

    #[test]
    fn other_servers_are_refused_by_name() {
        let old = check("2.11.15", SYNCED);
        assert!(
            matches!(&old, Err(JetStreamOpenError::Version { server, .. }) if server == "n1"),
            "{old:?}"
        );
        let unsynced = check("2.15.1", r#","jetstream":{"config":{"sync_interval":1}}"#);
        assert!(
            matches!(&unsynced, Err(JetStreamOpenError::NotSynced { server }) if server == "n1"),
            "{unsynced:?}"
        );
        let empty = check_answer(b"");
        assert!(matches!(empty, Err(JetStreamOpenError::SystemLogin(_))));
    }
}

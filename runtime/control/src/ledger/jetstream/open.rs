//! Opening the ledger in its stream.
//!
//! Owns the connection's parameters, and the order of the checks before a stream is used as a ledger. Must not know
//! entries.

use super::error::{JetStreamOpenError, check_version};
use super::message::{MESSAGE_BYTES_MAX, STORED_SUBJECT, STREAM_NAME};
use super::options::{JetStreamLogin, JetStreamOptions, MissingStream};
use super::request::{self, JetStreamError};
use super::{JetStreamLedger, fetch, servers, settings, watcher};
use crate::ledger::sealed::LEDGER_NAME;
use crate::ledger::sequence::Seq;
use crate::seal::{SealKey, Sealer};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::jetstream::stream::Info;
use async_nats::{Client, ConnectOptions, Event};
use serde::de::IgnoredAny;
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Time for one connection, with TLS and login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// By how much the pause before a further attempt to connect grows, and its maximum.
const RECONNECT_DELAY_STEP: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);
/// Time after which a request of the engine's API without an answer fails.
const API_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two pings of the server. Two that are not answered end the connection.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum number of announcements that wait. Further ones are dropped: the last entry is also asked for.
const ANNOUNCEMENTS_MAX: usize = 1_024;
/// Time for which an engine that is starting or elects a leader is asked again.
const ENGINE_PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const ENGINE_PAUSE: Duration = Duration::from_millis(250);

/// A connection to the engine, and what tells of its state.
struct JetStreamConnection {
    client: Client,
    /// Notified of each new connection.
    connected: Arc<Notify>,
    /// Counts the connections that were lost.
    lost_connections: watch::Receiver<u64>,
}

pub(super) async fn open_ledger(
    options: &JetStreamOptions,
    key: &SealKey,
) -> Result<JetStreamLedger, JetStreamOpenError> {
    let connection = connect(options, options.login.as_ref()).await?;
    let client = connection.client;
    check_server(&client)?;
    let context = ContextBuilder::new().timeout(API_TIMEOUT);
    let context = context.build(client.clone());
    check_jetstream(&context).await?;
    if let Some(login) = &options.system_login {
        let system = connect(options, Some(login)).await?;
        servers::check_servers(&system.client).await?;
    }
    let info = open_stream(&context, options).await?;
    settings::check_settings(&info.config, options.replicas)?;
    let stream = context.get_stream_no_info(STREAM_NAME).await;
    let stream = stream.map_err(|error| JetStreamOpenError::Unavailable(Arc::new(error)))?;

    let last = Arc::new(watch::channel(Seq::START).0);
    let stored = client.subscribe(STORED_SUBJECT).await;
    let stored = stored.map_err(|error| JetStreamOpenError::Unavailable(Arc::new(error)))?;
    // Asked after the subscription, so that no entry is stored between the two unseen.
    let ask = || fetch::ask_last_place(&context);
    let at = ask_patiently(ask).await.map_err(unavailable)?;
    watcher::raise(&last, at);
    let mut watchers = JoinSet::new();
    watchers.spawn(watcher::take_announcements(stored, Arc::clone(&last)));
    let asking =
        watcher::ask_at_intervals(context.clone(), connection.connected, Arc::clone(&last));
    watchers.spawn(asking);
    Ok(JetStreamLedger {
        client,
        context,
        stream,
        sealer: Sealer::new(key, LEDGER_NAME),
        last,
        lost_connections: connection.lost_connections,
        _watchers: watchers,
    })
}

/// Connects to the first server that accepts. Later the client reconnects by itself, in the same way.
async fn connect(
    options: &JetStreamOptions,
    login: Option<&JetStreamLogin>,
) -> Result<JetStreamConnection, JetStreamOpenError> {
    let connected = Arc::new(Notify::new());
    let (lost, lost_connections) = watch::channel(0_u64);
    let (lost, notify) = (Arc::new(lost), Arc::clone(&connected));
    let mut connect = ConnectOptions::new()
        .name("dyno")
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(API_TIMEOUT))
        .ping_interval(PING_INTERVAL)
        .subscription_capacity(ANNOUNCEMENTS_MAX)
        .ignore_discovered_servers()
        .retain_servers_order()
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            match event {
                Event::Connected => notify.notify_one(),
                Event::Disconnected => lost.send_modify(|count| *count += 1),
                _ => {}
            }
            std::future::ready(())
        });
    if let Some(JetStreamLogin { user, password }) = login {
        connect = connect.user_and_password(user.clone(), password.clone());
    }
    if let Some(tls) = &options.tls {
        connect = connect
            .require_tls(true)
            .add_root_certificates(tls.authorities.clone());
        if let Some((certificate, key)) = &tls.client {
            connect = connect.add_client_certificate(certificate.clone(), key.clone());
        }
    }
    let client = connect.connect(&options.urls[..]).await;
    let client = client.map_err(|error| JetStreamOpenError::Connect {
        urls: options.urls.join(", "),
        source: Arc::new(error),
    })?;
    Ok(JetStreamConnection {
        client,
        connected,
        lost_connections,
    })
}

/// The pause before an attempt to connect again: none at first.
fn reconnect_delay(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    RECONNECT_DELAY_STEP
        .saturating_mul(attempts.saturating_sub(1))
        .min(RECONNECT_DELAY_MAX)
}

/// Checks the version and the limits of the server that the client is connected to.
fn check_server(client: &Client) -> Result<(), JetStreamOpenError> {
    let info = client.server_info();
    check_version(info.server_name.clone(), info.version)?;
    let server = info.server_name;
    let found = info.max_payload;
    if found < MESSAGE_BYTES_MAX {
        return Err(JetStreamOpenError::SmallMessages { server, found });
    }
    Ok(())
}

/// Checks that the login's account has JetStream.
async fn check_jetstream(context: &Context) -> Result<(), JetStreamOpenError> {
    let nothing = json!({});
    let ask = || request::request_api::<IgnoredAny>(context, "INFO".to_owned(), &nothing);
    let Err(error) = ask_patiently(ask).await else {
        return Ok(());
    };
    Err(match error.code() {
        Some(ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT) => {
            JetStreamOpenError::NoJetStream
        }
        _ if matches!(error, JetStreamError::NoResponders) => JetStreamOpenError::NoJetStream,
        _ => unavailable(error),
    })
}

/// Finds the stream, or creates it if it is absent and the options say so.
async fn open_stream(
    context: &Context,
    options: &JetStreamOptions,
) -> Result<Info, JetStreamOpenError> {
    let error = match ask_patiently(|| fetch::ask_stream_info(context)).await {
        Ok(info) => return Ok(info),
        Err(error) => error,
    };
    if error.code() != Some(ErrorCode::STREAM_NOT_FOUND) {
        return Err(unavailable(error));
    }
    match options.missing_stream {
        MissingStream::Refuse => Err(JetStreamOpenError::NoStream),
        MissingStream::Create => create_stream(context, options.replicas).await,
    }
}

/// Creates the stream. It is no error if another node creates the same stream at the same time.
async fn create_stream(context: &Context, replicas: usize) -> Result<Info, JetStreamOpenError> {
    let settings = settings::stream_settings(replicas);
    let subject = format!("STREAM.CREATE.{STREAM_NAME}");
    let create = || request::request_api::<Info>(context, subject.clone(), &settings);
    let created = ask_patiently(create).await;
    let info = match created {
        Ok(info) => info,
        Err(error) if error.code() == Some(ErrorCode::STREAM_NAME_EXIST) => {
            let info = ask_patiently(|| fetch::ask_stream_info(context)).await;
            info.map_err(unavailable)?
        }
        Err(error) => return Err(JetStreamOpenError::Create(Arc::new(error))),
    };
    Ok(info)
}

/// Asks the engine until it answers, for the time in which one that has just started elects its leaders.
async fn ask_patiently<T, F>(ask: impl Fn() -> F) -> Result<T, JetStreamError>
where
    F: Future<Output = Result<T, JetStreamError>>,
{
    let deadline = Instant::now() + ENGINE_PATIENCE;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !is_passing(&error) || Instant::now() >= deadline {
            return Err(error);
        }
        sleep(ENGINE_PAUSE).await;
    }
}

/// Whether an error passes by itself when the engine has elected its leaders.
fn is_passing(error: &JetStreamError) -> bool {
    match error {
        JetStreamError::TimedOut
        | JetStreamError::ConnectionLost
        | JetStreamError::NotConnected => true,
        JetStreamError::Refused { .. } => {
            let passing = [
                ErrorCode::CLUSTER_NOT_AVAILABLE,
                ErrorCode::CLUSTER_NO_PEERS,
            ];
            error.code().is_some_and(|code| passing.contains(&code))
        }
        JetStreamError::NoResponders | JetStreamError::TooLarge | JetStreamError::Other(_) => false,
    }
}

fn unavailable(error: JetStreamError) -> JetStreamOpenError {
    JetStreamOpenError::Unavailable(Arc::new(error))
}

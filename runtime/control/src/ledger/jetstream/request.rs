//! Requests to the engine, and its errors.
//!
//! Owns the kinds of errors that matter to a ledger. Must not know what a request is for.

use async_nats::client;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{self, Context};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub(super) enum JetStreamError {
    /// There is no connection to any server, so nothing was sent.
    #[error("there is no connection to the engine")]
    NotConnected,
    /// No server took the request: the stream has no leader now, or does not exist.
    #[error("no server of the engine takes the request now")]
    NoResponders,
    /// The connection was lost before an answer came.
    #[error("the connection to the engine was lost before it answered")]
    ConnectionLost,
    /// No answer came in time.
    #[error("the engine did not answer in time")]
    TimedOut,
    /// The request is larger than the server allows, so it was not sent.
    #[error("the engine's server does not take messages of this size")]
    TooLarge,
    /// A server answered with an error.
    #[error("the engine refused: {description} (error {code})")]
    Refused { code: u64, description: String },
    /// Anything else, such as an answer that cannot be parsed.
    #[error("the engine failed")]
    Other(#[source] async_nats::Error),
}

impl JetStreamError {
    /// The engine's error code; `None` if no server answered with one.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            JetStreamError::Refused { code, .. } => Some(ErrorCode(*code)),
            _ => None,
        }
    }
}

impl From<client::RequestError> for JetStreamError {
    fn from(error: client::RequestError) -> Self {
        match error.kind() {
            client::RequestErrorKind::NoResponders => JetStreamError::NoResponders,
            client::RequestErrorKind::TimedOut => JetStreamError::TimedOut,
            client::RequestErrorKind::MaxPayloadExceeded => JetStreamError::TooLarge,
            _ => JetStreamError::Other(Box::new(error)),
        }
    }
}

impl From<context::RequestError> for JetStreamError {
    fn from(error: context::RequestError) -> Self {
        match error.kind() {
            context::RequestErrorKind::NoResponders => JetStreamError::NoResponders,
            context::RequestErrorKind::TimedOut => JetStreamError::TimedOut,
            _ => JetStreamError::Other(Box::new(error)),
        }
    }
}

/// An answer of JetStream.
#[derive(Deserialize)]
#[serde(untagged)]
enum JetStreamAnswer<T> {
    Refused { error: JetStreamRefusal },
    Done(T),
}

#[derive(Deserialize)]
struct JetStreamRefusal {
    /// Absent for some errors of the consensus between the servers.
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl<T> From<JetStreamAnswer<T>> for Result<T, JetStreamError> {
    fn from(answer: JetStreamAnswer<T>) -> Self {
        match answer {
            JetStreamAnswer::Done(answer) => Ok(answer),
            JetStreamAnswer::Refused { error } => Err(JetStreamError::Refused {
                code: error.err_code,
                description: error.description,
            }),
        }
    }
}

/// Parses an answer of JetStream.
pub(super) fn parse_answer<T: DeserializeOwned>(payload: &[u8]) -> Result<T, JetStreamError> {
    match serde_json::from_slice::<JetStreamAnswer<T>>(payload) {
        Ok(answer) => answer.into(),
        Err(error) => Err(JetStreamError::Other(Box::new(error))),
    }
}

/// Sends a request to the API of JetStream.
pub(super) async fn request_api<T: DeserializeOwned>(
    context: &Context,
    subject: String,
    payload: &impl Serialize,
) -> Result<T, JetStreamError> {
    let answer: JetStreamAnswer<T> = context.request(subject, payload).await?;
    answer.into()
}

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
pub(super) enum EngineError {
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

impl EngineError {
    /// The engine's error code; `None` if no server answered with one.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            EngineError::Refused { code, .. } => Some(ErrorCode(*code)),
            _ => None,
        }
    }
}

impl From<client::RequestError> for EngineError {
    fn from(error: client::RequestError) -> Self {
        match error.kind() {
            client::RequestErrorKind::NoResponders => EngineError::NoResponders,
            client::RequestErrorKind::TimedOut => EngineError::TimedOut,
            client::RequestErrorKind::MaxPayloadExceeded => EngineError::TooLarge,
            _ => EngineError::Other(Box::new(error)),
        }
    }
}

impl From<context::RequestError> for EngineError {
    fn from(error: context::RequestError) -> Self {
        match error.kind() {
            context::RequestErrorKind::NoResponders => EngineError::NoResponders,
            context::RequestErrorKind::TimedOut => EngineError::TimedOut,
            _ => EngineError::Other(Box::new(error)),
        }
    }
}

/// An answer of JetStream.
#[derive(Deserialize)]
#[serde(untagged)]
enum EngineAnswer<T> {
    Refused { error: EngineRefusal },
    Done(T),
}

#[derive(Deserialize)]
struct EngineRefusal {
    /// Absent for some errors of the consensus between the servers.
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl<T> From<EngineAnswer<T>> for Result<T, EngineError> {
    fn from(answer: EngineAnswer<T>) -> Self {
        match answer {
            EngineAnswer::Done(answer) => Ok(answer),
            EngineAnswer::Refused { error } => Err(EngineError::Refused {
                code: error.err_code,
                description: error.description,
            }),
        }
    }
}

/// Parses an answer of JetStream.
pub(super) fn parse_answer<T: DeserializeOwned>(payload: &[u8]) -> Result<T, EngineError> {
    match serde_json::from_slice::<EngineAnswer<T>>(payload) {
        Ok(answer) => answer.into(),
        Err(error) => Err(EngineError::Other(Box::new(error))),
    }
}

/// Sends a request to the API of JetStream.
pub(super) async fn request_api<T: DeserializeOwned>(
    context: &Context,
    subject: String,
    payload: &impl Serialize,
) -> Result<T, EngineError> {
    let answer: EngineAnswer<T> = context.request(subject, payload).await?;
    answer.into()
}

//! An error that a handler returns for the client to see.

use wstd::http::StatusCode;

/// An error for the client: a status and a text.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    status: StatusCode,
    text: String,
}

impl Refused {
    /// A refusal with a text for the client.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

//! Responses of a server, and the errors when there is none or the server refuses.
//!
//! Owns how both are read. Must not know requests.

use std::fmt;

use anyhow::{Context, Result};
use api::resource::{FailureResource, RELEASE_HEADER};
use http::response::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::url::ServerUrl;
use crate::terminal::clean;

/// The start of the API's message about an app that does not exist.
const NO_SUCH_APP: &str = "there is no app ";

/// A successful response: its JSON as it was received, so that `--json` shows fields that this client does not know.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    json: Value,
    release: Option<String>,
}

impl ApiResponse {
    pub(super) fn from_json(json: Value) -> ApiResponse {
        let release = None;
        ApiResponse { json, release }
    }

    /// Tells a success from a refusal, and a `dyno` server from any other server.
    pub(super) fn parse(server: &ServerUrl, parts: &Parts, text: &str) -> Result<ApiResponse> {
        let json: Option<Value> = serde_json::from_str(text).ok();
        if parts.status.is_success() {
            let release = parts.headers.get(RELEASE_HEADER);
            let release = release.and_then(|value| value.to_str().ok());
            let release = release.map(str::to_owned);
            // `204 No Content` has no JSON.
            let json = if text.is_empty() {
                Some(Value::Null)
            } else {
                json
            };
            let json = json.with_context(|| foreign_server(server, parts))?;
            return Ok(ApiResponse { json, release });
        }
        let refusal = json.and_then(|json| serde_json::from_value::<FailureResource>(json).ok());
        let FailureResource { id, message } =
            refusal.with_context(|| foreign_server(server, parts))?;
        Err(ApiError {
            status: parts.status.as_u16(),
            id,
            message,
            server: server.clone(),
            explanation: None,
        }
        .into())
    }

    /// The JSON as one of the API's types.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.json).context(
            "the server's answer is not understood: is this `dyno` as new as the server's?",
        )
    }

    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// The release that the request made, such as `v4`.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }
}

fn foreign_server(server: &ServerUrl, parts: &Parts) -> String {
    format!(
        "{server} answered {}, not as a dyno server's API does: is the URL right?",
        parts.status
    )
}

/// A refusal of the server, in the server's words.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: u16,
    id: String,
    message: String,
    server: ServerUrl,
    /// Facts that the server's message does not contain: the source of the app's name, and the existing apps.
    explanation: Option<String>,
}

impl ApiError {
    /// The kind of failure, as the API names it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A command that helps, if one does.
    pub(super) fn next_command(&self) -> Option<String> {
        match self.status {
            401 => Some(format!("dyno login {}", self.server)),
            404 if self.is_no_such_app() => Some("dyno apps".to_owned()),
            _ => None,
        }
    }

    /// Whether the server has no app of this name.
    pub(super) fn is_no_such_app(&self) -> bool {
        self.status == 404 && self.message.starts_with(NO_SUCH_APP)
    }

    pub(super) fn with_explanation(mut self, explanation: String) -> ApiError {
        self.explanation = Some(explanation);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = clean(&self.message);
        match self.status {
            401 => write!(
                f,
                "{message}: log in again with `dyno login {}`",
                self.server
            ),
            _ => f.write_str(&message),
        }?;
        match &self.explanation {
            Some(explanation) => write!(f, ": {explanation}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

/// Whether the error is a refusal with the status 404.
pub(crate) fn is_not_found(error: &anyhow::Error) -> bool {
    let refused: Option<&ApiError> = error.downcast_ref();
    refused.is_some_and(|refused| refused.status == 404)
}

/// A server that does not answer.
#[derive(Debug)]
pub(crate) struct Unreachable(String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// Why a server does not answer, and what to do.
pub(super) fn unreachable_error(server: &ServerUrl, error: ureq::Error) -> anyhow::Error {
    use std::io::ErrorKind;
    let text = match &error {
        ureq::Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => format!(
            "nothing listens at {server}: start a server with `dyno serve`, or log in to another one with `dyno login URL`"
        ),
        ureq::Error::HostNotFound => format!("cannot find {server}: is the name right?"),
        ureq::Error::Timeout(_) => {
            format!("{server} does not answer: is it up, and the URL right?")
        }
        _ => format!("the connection to {server} failed"),
    };
    match error {
        // The text of these errors adds nothing.
        ureq::Error::HostNotFound | ureq::Error::Timeout(_) => Unreachable(text).into(),
        error => anyhow::Error::new(error.into_io()).context(Unreachable(text)),
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn parse(status: u16, text: &str) -> Result<ApiResponse> {
        let response = Response::builder()
            .status(status)
            .header(RELEASE_HEADER, "v4")
            .body(());
        let server: ServerUrl = "http://127.0.0.1:8081".parse().expect("a URL");
        let (parts, ()) = response.expect("a response").into_parts();
        ApiResponse::parse(&server, &parts, text)
    }

    #[test]
    fn a_success_has_the_json_and_the_release() {
        let response = parse(200, r#"{"A":"1"}"#).expect("a success");
        assert_eq!(
            (response.json()["A"].as_str(), response.release()),
            (Some("1"), Some("v4"))
        );
        assert!(parse(204, "").expect("a success").json().is_null());
    }

    #[test]
    fn a_refusal_is_reported_with_the_message_of_the_server() {
        let text = r#"{"id":"not_found","message":"there is no app \"shop\u001b[31m\"","more":1}"#;
        let error = parse(404, text).expect_err("refused");
        assert!(is_not_found(&error));
        assert_eq!(error.to_string(), "there is no app \"shop [31m\"");
        let text = r#"{"id":"unauthorized","message":"the token is not known"}"#;
        let error = parse(401, text).expect_err("refused");
        let expected =
            "the token is not known: log in again with `dyno login http://127.0.0.1:8081`";
        assert_eq!(error.to_string(), expected);
        assert!(!is_not_found(&error));
    }

    #[test]
    fn responses_of_other_servers_are_recognized() {
        for (status, text) in [
            (200, "<html>"),
            (404, "<html>no such app"),
            (502, ""),
            (301, ""),
        ] {
            let error = parse(status, text).expect_err("another server");
            assert!(
                error.to_string().contains("is the URL right?"),
                "{status}: {error}"
            );
            assert!(!is_not_found(&error), "{status}");
        }
    }
}

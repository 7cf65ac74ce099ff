//! What a server answered, or why there is no answer.

use std::fmt;

use anyhow::{Context, Result};
use http::response::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::types::Refusal;
use super::url::ServerUrl;
use crate::terminal::clean;

/// An answer's headers that say something: which release a change has made.
const RELEASE: &str = "x-dyno-release";

/// A success: the JSON, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    json: Value,
    release: Option<String>,
}

impl Answer {
    pub(super) fn of(json: Value) -> Answer {
        let release = None;
        Answer { json, release }
    }

    /// Tells a success from a refusal, and a server of ours from another one.
    pub(super) fn read_from(server: &ServerUrl, parts: &Parts, text: &str) -> Result<Answer> {
        let json: Option<Value> = serde_json::from_str(text).ok();
        if parts.status.is_success() {
            let release = parts
                .headers
                .get(RELEASE)
                .and_then(|value| value.to_str().ok());
            let release = release.map(str::to_owned);
            // `204 No Content` is a success too.
            let json = if text.is_empty() {
                Some(Value::Null)
            } else {
                json
            };
            let json = json.with_context(|| foreign(server, parts))?;
            return Ok(Answer { json, release });
        }
        let refusal = json.and_then(|json| serde_json::from_value::<Refusal>(json).ok());
        let Refusal { id, message } = refusal.with_context(|| foreign(server, parts))?;
        Err(ApiError {
            status: parts.status.as_u16(),
            id,
            message,
            server: server.clone(),
            explanation: None,
        }
        .into())
    }

    /// The answer as the object that it is.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.json).context(
            "the server's answer is not understood: is this `dyno` as new as the server's?",
        )
    }

    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    /// The release that a change has made, such as `v4`.
    pub(crate) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }
}

fn foreign(server: &ServerUrl, parts: &Parts) -> String {
    format!(
        "{server} answered {}, not as a dyno server's API does: is the URL right?",
        parts.status
    )
}

/// A server's refusal, in its own words.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: u16,
    id: String,
    message: String,
    server: ServerUrl,
    /// What the server cannot know: where the app's name came from, and which apps there are.
    explanation: Option<String>,
}

impl ApiError {
    /// What kind of failure it is, as the API names it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A command that helps.
    pub(super) fn next(&self) -> Option<String> {
        match self.status {
            401 => Some(format!("dyno login {}", self.server)),
            404 if self.is_no_such_app() => Some("dyno apps".to_owned()),
            _ => None,
        }
    }

    /// Whether the server knows no app of the name.
    pub(super) fn is_no_such_app(&self) -> bool {
        self.status == 404 && self.message.starts_with(NO_SUCH_APP)
    }

    pub(super) fn explained(mut self, explanation: String) -> ApiError {
        self.explanation = Some(explanation);
        self
    }
}

/// How the API begins when it knows no app of a name.
const NO_SUCH_APP: &str = "there is no app ";

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

/// Whether a server said that there is no such thing.
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

/// Why there is no answer, and what to do.
pub(super) fn unreachable(server: &ServerUrl, error: ureq::Error) -> anyhow::Error {
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
        // Its text says no more.
        ureq::Error::HostNotFound | ureq::Error::Timeout(_) => Unreachable(text).into(),
        error => anyhow::Error::new(error.into_io()).context(Unreachable(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn read(status: u16, text: &str) -> Result<Answer> {
        let response = Response::builder()
            .status(status)
            .header(RELEASE, "v4")
            .body(());
        let server: ServerUrl = "http://127.0.0.1:8081".parse().expect("a URL");
        let (parts, ()) = response.expect("a response").into_parts();
        Answer::read_from(&server, &parts, text)
    }

    #[test]
    fn a_success_has_its_json_and_its_release() {
        let answer = read(200, r#"{"A":"1"}"#).expect("a success");
        assert_eq!(
            (answer.json()["A"].as_str(), answer.release()),
            (Some("1"), Some("v4"))
        );
        assert!(read(204, "").expect("a success").json().is_null());
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let text = r#"{"id":"not_found","message":"there is no app \"shop\u001b[31m\"","more":1}"#;
        let error = read(404, text).expect_err("refused");
        assert!(is_not_found(&error));
        assert_eq!(error.to_string(), "there is no app \"shop [31m\"");
        let text = r#"{"id":"unauthorized","message":"the token is not known"}"#;
        let error = read(401, text).expect_err("refused");
        let expected =
            "the token is not known: log in again with `dyno login http://127.0.0.1:8081`";
        assert_eq!(error.to_string(), expected);
        assert!(!is_not_found(&error));
    }

    #[test]
    fn another_server_is_told_from_ours() {
        for (status, text) in [
            (200, "<html>"),
            (404, "<html>no such app"),
            (502, ""),
            (301, ""),
        ] {
            let error = read(status, text).expect_err("foreign");
            assert!(
                error.to_string().contains("is the URL right?"),
                "{status}: {error}"
            );
            assert!(!is_not_found(&error), "{status}");
        }
    }
}

//! Errors as JSON, for programs: `{"error": {"id", "message", "causes", "next"}}`.
//!
//! Owns this form, and the ids of errors that the client finds itself. Refusals of the API keep the API's ids.

use anyhow::Error;
use grid::text::error_texts;
use serde_json::{Value, json};
use slugs::build::BuildError;

use super::response::{ApiError, Unreachable};
use super::target::NoServer;

/// The JSON of an error.
pub(crate) fn error_to_json(error: &Error) -> Value {
    let (id, next) = id_and_next_command(error);
    let mut texts = error_texts(error.as_ref());
    let causes = texts.split_off(1);
    json!({ "error": { "id": id, "message": texts[0], "causes": causes, "next": next } })
}

/// The id of an error, and a command that helps, if one does.
fn id_and_next_command(error: &Error) -> (String, Option<String>) {
    for cause in error.chain() {
        if let Some(refused) = cause.downcast_ref::<ApiError>() {
            return (refused.id().to_owned(), refused.next_command());
        }
        if cause.is::<BuildError>() {
            return ("build_failed".to_owned(), None);
        }
    }
    // The next two are contexts: `downcast` finds them on the error, but not in its chain.
    if error.is::<Unreachable>() {
        return ("unreachable".to_owned(), Some("dyno serve".to_owned()));
    }
    if let Some(none) = error.downcast_ref::<NoServer>() {
        return ("no_login".to_owned(), Some(none.next_command()));
    }
    ("failed".to_owned(), None)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn repeated_texts_are_omitted_from_the_causes() {
        let error = anyhow!("the disk is full")
            .context("cannot write x")
            .context("cannot write x");
        let expected = json!({ "error": {
            "id": "failed", "message": "cannot write x", "causes": ["the disk is full"], "next": null } });
        assert_eq!(error_to_json(&error), expected);
    }
}

//! Errors for programs: `{"error": {"id", "message", "causes", "next"}}`.
//!
//! Owns that form, and the ids of what fails on this side; the API's failures keep the API's ids.

use anyhow::Error;
use grid::text::error_texts;
use serde_json::{Value, json};
use slugs::build::BuildError;

use super::response::{ApiError, Unreachable};
use super::target::NoServer;

/// An error as an object.
pub(crate) fn described(error: &Error) -> Value {
    let (id, next) = kind(error);
    let mut texts = error_texts(error.as_ref());
    let causes = texts.split_off(1);
    json!({ "error": { "id": id, "message": texts[0], "causes": causes, "next": next } })
}

/// What kind of failure it is, and a command that helps.
fn kind(error: &Error) -> (String, Option<String>) {
    for cause in error.chain() {
        if let Some(refused) = cause.downcast_ref::<ApiError>() {
            let id = if refused.id().is_empty() {
                "refused"
            } else {
                refused.id()
            };
            return (id.to_owned(), refused.next());
        }
        if cause.is::<BuildError>() {
            return ("build_failed".to_owned(), None);
        }
    }
    // These are contexts, which only the error itself knows.
    if error.is::<Unreachable>() {
        return ("unreachable".to_owned(), Some("dyno serve".to_owned()));
    }
    if let Some(none) = error.downcast_ref::<NoServer>() {
        return ("no_login".to_owned(), Some(none.next()));
    }
    ("failed".to_owned(), None)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_is_one_object_with_its_causes() {
        let error = anyhow!("the disk is full")
            .context("cannot write x")
            .context("cannot write x");
        let expected = json!({ "error": {
            "id": "failed", "message": "cannot write x", "causes": ["the disk is full"], "next": null } });
        assert_eq!(described(&error), expected);
    }
}

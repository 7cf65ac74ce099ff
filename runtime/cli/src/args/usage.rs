//! Wrong usage: the error about a command line that cannot be parsed, and the known word that was probably meant.
//!
//! A word is suggested only if it exists and differs by few letters; the parser's own suggestions are less strict.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use serde_json::json;

use super::habits::HABITS;

/// One wrong letter is allowed for this many letters: `confg` suggests `config`, and `foo` suggests nothing.
const LETTERS_PER_MISTAKE: usize = 3;

/// Wrong usage as a JSON object for programs.
pub(crate) fn describe_wrong_usage(error: &Error) -> serde_json::Value {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let message = text.split("\n\n").next().unwrap_or_default();
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("tip: "));
    json!({ "error": { "id": "usage", "message": message, "causes": [], "next": tip } })
}

/// Corrects the suggestions of an error.
pub(super) fn correct_suggestions(root: &Command, words: &[OsString], error: &mut Error) {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand)
    {
        let unknown = unknown.clone();
        let known = known_commands(root, words, &unknown);
        error.remove(ContextKind::Suggested);
        suggest(
            error,
            ContextKind::SuggestedSubcommand,
            nearest(&unknown, &known),
        );
        return;
    }
    let (wrong, suggested) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        _ => (ContextKind::InvalidValue, ContextKind::SuggestedValue),
    };
    if error.kind() == ErrorKind::UnknownArgument {
        // Without this, clap would suggest `-- --flag`, which makes a name of the flag.
        error.remove(ContextKind::Suggested);
    }
    let (Some(ContextValue::String(wrong)), Some(value)) = (error.get(wrong), error.get(suggested))
    else {
        return;
    };
    let found = match value {
        ContextValue::String(one) => Some(one.clone()),
        ContextValue::Strings(several) => several.first().cloned(),
        _ => None,
    };
    let is_near = found
        .as_deref()
        .is_some_and(|found| distance(wrong, found).is_some());
    if !is_near {
        error.remove(suggested);
    }
}

fn suggest(error: &mut Error, kind: ContextKind, word: Option<String>) {
    match word {
        Some(word) => drop(error.insert(kind, ContextValue::Strings(vec![word]))),
        None => drop(error.remove(kind)),
    }
}

/// The commands that could stand where the unknown word does.
fn known_commands(root: &Command, words: &[OsString], unknown: &str) -> Vec<String> {
    let mut at = root;
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        if word == unknown {
            break;
        }
        match at.find_subcommand(word) {
            Some(below) => at = below,
            None => break,
        }
    }
    let mut known: Vec<String> = at
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    if at.get_name() == root.get_name() {
        known.extend(HABITS.iter().filter_map(|(theirs, _)| match theirs {
            [word] => Some((*word).to_owned()),
            _ => None,
        }));
    }
    known
}

/// The nearest of the known words, if it is near.
fn nearest(unknown: &str, known: &[String]) -> Option<String> {
    let near = known
        .iter()
        .filter_map(|word| Some((distance(unknown, word)?, word)));
    near.min().map(|(_, word)| word.clone())
}

/// How many letters differ, if a typing mistake explains them.
fn distance(typed: &str, word: &str) -> Option<usize> {
    let typed = typed.trim_start_matches('-').to_lowercase();
    let plain = word.trim_start_matches('-');
    // Of `--app <APP>`, the name.
    let plain = plain.split([' ', '=']).next().unwrap_or_default();
    let distance = strsim::damerau_levenshtein(&typed, plain);
    (distance * LETTERS_PER_MISTAKE <= plain.chars().count()).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let words = text.split(' ').map(OsString::from);
        let error = super::super::parse(words).expect_err(text);
        error.to_string()
    }

    #[test]
    fn usage_errors_as_json_have_an_id_and_a_tip() {
        let words = ["dyno", "confg", "--json"].map(OsString::from);
        let error = super::super::parse(words.into_iter()).expect_err("no such command");
        let described = describe_wrong_usage(&error);
        assert_eq!(described["error"]["id"], "usage");
        let message = "unrecognized subcommand 'confg'";
        assert_eq!(described["error"]["message"], message);
        let tip = described["error"]["next"].as_str();
        assert!(tip.is_some_and(|tip| tip.contains("config")));
    }

    #[test]
    fn similar_commands_are_suggested() {
        for (typed, meant) in [
            ("dyno confg", "'config'"),
            ("dyno lgos", "'logs'"),
            ("dyno rolback", "'rollback'"),
            ("dyno Deploy", "'deploy'"),
            ("dyno stauts", "'status'"),
            ("dyno scael web=2", "'scale'"),
            ("dyno ps scal web=2", "'scale'"),
            ("dyno config st A=1", "'set'"),
            ("dyno addons creat redis", "'create'"),
            ("dyno ps --jsno", "'--json'"),
        ] {
            let said = said(typed);
            assert!(
                said.contains("similar") && said.contains(meant),
                "{typed}: {said}"
            );
        }
    }

    #[test]
    fn unrelated_commands_are_not_suggested() {
        for typed in [
            "dyno pg",
            "dyno foo",
            "dyno docker",
            "dyno keys:add",
            "dyno buildpacks:set",
            "dyno ps foo",
            "dyno ps --help-me",
            "dyno deploy --fast",
            "dyno tokens create --role king",
            "dyno apps destroy --force shop",
        ] {
            let said = said(typed);
            assert!(!said.contains("tip:"), "{typed}: {said}");
        }
    }
}

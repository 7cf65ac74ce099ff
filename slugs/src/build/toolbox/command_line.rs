//! Owns what the Procfile's command lines of all languages have in common: settings and wrappers before the program.
//! Must not know any program.

use crate::manifest::command::ProcessCommand;
use crate::manifest::env_name::is_env_name;

/// The words of a command as its author wrote them.
pub(crate) fn words_of(command: &ProcessCommand) -> Vec<String> {
    let first = command.component.as_str().to_owned();
    std::iter::once(first)
        .chain(command.args.iter().cloned())
        .collect()
}

/// Parses a word that sets an environment variable: `NAME=value`.
pub(crate) fn parse_setting(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    is_env_name(name).then_some((name, value))
}

/// The command line behind its leading wrappers: words before a program that change nothing in a dyno, such as
/// `poetry run`. A wrapper without a program behind it is kept.
pub(crate) fn skip_wrappers<'a>(words: &'a [String], wrappers: &[&[&str]]) -> &'a [String] {
    let is_leading = |wrapper: &&&[&str]| {
        words.len() > wrapper.len() && wrapper.iter().zip(words).all(|(own, word)| own == word)
    };
    match wrappers.iter().find(is_leading) {
        Some(wrapper) => skip_wrappers(&words[wrapper.len()..], wrappers),
        None => words,
    }
}

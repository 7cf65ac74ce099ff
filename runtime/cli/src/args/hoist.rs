//! `dyno run bash -a shop`: dyno's own flags may follow the command's first word, up to a `--`.
//!
//! Owns which words are dyno's and which are the program's. The flags themselves are those of the command's definition.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// Puts dyno's flags before the program's words, with `--` between. Other command lines are left as they are.
pub(super) fn hoist_flags(root: &Command, args: Vec<OsString>) -> Vec<OsString> {
    let Some((command, at)) = one_off_command(root, &args) else {
        return args;
    };
    let flags = Flags::of(root, command);
    let (head, rest) = args.split_at(at);
    let (mut ours, mut theirs) = (head.to_vec(), Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            theirs.extend(rest.cloned());
            break;
        }
        match flags.find(word) {
            None if theirs.is_empty() && is_flag(word) => ours.push(word.clone()),
            None => theirs.push(word.clone()),
            Some(takes) => {
                ours.push(word.clone());
                // A `--` is no value: what is missing is told.
                if takes == Takes::NextWord
                    && rest.as_slice().first().is_some_and(|next| next != "--")
                {
                    ours.extend(rest.next().cloned());
                }
            }
        }
    }
    if !theirs.is_empty() {
        ours.push("--".into());
        ours.extend(theirs);
    }
    ours
}

/// `run` or `local run`, and where its own words begin.
fn one_off_command<'c>(root: &'c Command, args: &[OsString]) -> Option<(&'c Command, usize)> {
    match args {
        [_, run, ..] if run == "run" => Some((root.find_subcommand("run")?, 2)),
        [_, local, run, ..] if local == "local" && run == "run" => {
            let local = root.find_subcommand("local")?;
            Some((local.find_subcommand("run")?, 3))
        }
        _ => None,
    }
}

fn is_flag(word: &OsStr) -> bool {
    word.to_str()
        .is_some_and(|word| word.len() > 1 && word.starts_with('-'))
}

/// The words that belong to a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    NextWord,
}

/// The flags that dyno knows for a command.
struct Flags<'c>(Vec<&'c Arg>);

impl<'c> Flags<'c> {
    fn of(root: &'c Command, command: &'c Command) -> Self {
        let global = root.get_arguments().filter(|arg| arg.is_global_set());
        // `dyno run migrate --help` asks the program.
        let is_ours = |arg: &&Arg| !arg.is_positional() && arg.get_id() != "help";
        Flags(
            command
                .get_arguments()
                .chain(global)
                .filter(is_ours)
                .collect(),
        )
    }

    /// The words that a flag of dyno takes with it: `-a`, `--app` or `--app=shop`. Combined short flags, such as `-la`,
    /// belong to the program.
    fn find(&self, word: &OsStr) -> Option<Takes> {
        let word = word.to_str()?;
        let (name, has_value) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word, false),
        };
        let is_named = |arg: &&&Arg| {
            let by_long = name
                .strip_prefix("--")
                .is_some_and(|long| arg.get_long() == Some(long));
            let mut short = name.strip_prefix('-').into_iter().flat_map(str::chars);
            let by_short =
                !has_value && name.chars().count() == 2 && short.next() == arg.get_short();
            by_long || (by_short && arg.get_short().is_some())
        };
        let arg = self.0.iter().find(is_named)?;
        let takes_value = arg.get_action().takes_values();
        Some(if takes_value && !has_value {
            Takes::NextWord
        } else {
            Takes::Nothing
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    fn hoisted(text: &str) -> String {
        let mut root = Args::command();
        root.build();
        let words = hoist_flags(&root, text.split(' ').map(OsString::from).collect());
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn flags_of_dyno_are_recognized_after_the_program_until_two_dashes() {
        for (typed, read) in [
            ("dyno run bash -a shop", "dyno run -a shop -- bash"),
            (
                "dyno run bash --app=shop x",
                "dyno run --app=shop -- bash x",
            ),
            ("dyno run -a shop bash -l", "dyno run -a shop -- bash -l"),
            (
                "dyno run migrate --dry-run -d --env A=1",
                "dyno run -d --env A=1 -- migrate --dry-run",
            ),
            (
                "dyno run bash -a shop -- -a x",
                "dyno run -a shop -- bash -a x",
            ),
            ("dyno run -- task -a -- --x", "dyno run -- task -a -- --x"),
            ("dyno run ls -la", "dyno run -- ls -la"),
            ("dyno run task - -x=1", "dyno run -- task - -x=1"),
            ("dyno run task -a -- x", "dyno run -a -- task x"),
            (
                "dyno run task --json --server http://x y",
                "dyno run --json --server http://x -- task y",
            ),
            ("dyno run --nonsense task", "dyno run --nonsense -- task"),
            (
                "dyno run migrate --help -h",
                "dyno run -- migrate --help -h",
            ),
            ("dyno run --help", "dyno run --help"),
            ("dyno run", "dyno run"),
            (
                "dyno local run f.wasm a --dir x::/y",
                "dyno local run --dir x::/y -- f.wasm a",
            ),
            ("dyno ps scale web=1 -a shop", "dyno ps scale web=1 -a shop"),
        ] {
            assert_eq!(hoisted(typed), read);
        }
    }
}

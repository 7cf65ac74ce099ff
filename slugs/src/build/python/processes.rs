//! Owns what a Python app runs besides requests: process types of the Procfile, and words for one-offs. Each becomes
//! arguments of the component, which takes the words after `python` on a command line. Must not know packages' insides.

use std::collections::BTreeMap;

use grid::name::ProcessType;

use super::build::COMPONENT;
use super::entry::servers::{assignment, program_of, unwrapped};
use super::facts::SourceFacts;
use crate::build::BuildError;
use crate::manifest::{COMMAND_WORDS_MAX, Command, CommandProgram, Procfile, is_command_word};
use crate::path::SlugPath;

/// Programs of packages that listen for requests themselves, which only `web` does, and not by them.
const SERVERS: [&str; 8] = [
    "gunicorn",
    "waitress-serve",
    "uwsgi",
    "uvicorn",
    "hypercorn",
    "daphne",
    "granian",
    "gunicornc",
];
/// Programs that are known by the module behind them.
const MODULES: [(&str, &str); 2] = [("flask", "flask"), ("django-admin", "django")];

/// Programs that can be run by their names: of packages and of the app's project, with `module:function` of each.
pub(super) type Scripts = BTreeMap<String, String>;

/// What the process types run, apart from `web`.
pub(super) fn others(
    procfile: Option<&Procfile>,
    scripts: &Scripts,
    facts: &SourceFacts,
) -> Result<BTreeMap<ProcessType, Command>, BuildError> {
    let processes = procfile.iter().flat_map(|procfile| &procfile.processes);
    let others = processes.filter(|(process, _)| !process.is_web());
    others
        .map(|(process, command)| {
            let args = arguments(&stored_words(command), scripts)
                .and_then(|args| check_file(args, facts))
                .map_err(|why| {
                    BuildError::Refused(format!("the Procfile's `{process}` runs {why}"))
                })?;
            let command = Command {
                component: component(),
                args,
            };
            Ok((process.clone(), command))
        })
        .collect()
}

/// The command's words as a manifest stores them.
fn stored_words(command: &Command) -> Vec<String> {
    let first = command.component.as_str().to_owned();
    std::iter::once(first)
        .chain(command.args.iter().cloned())
        .collect()
}

fn component() -> SlugPath {
    SlugPath::new(COMPONENT).expect("a path that this program names")
}

/// A command line as the words after `python`.
fn arguments(words: &[String], scripts: &Scripts) -> Result<Vec<String>, String> {
    let Some((first, rest)) = unwrapped(words).split_first() else {
        return Err("nothing: name a command, as in `python worker.py`".to_owned());
    };
    if assignment(first).is_some() {
        return Err(format!(
            "`{first}`, which sets a variable as only a shell can: use a config var (`dyno config set {first}`)"
        ));
    }
    let program = program_of(first);
    if program == "python" {
        return match rest.is_empty() {
            true => Err("`python` alone: name a program, as in `python worker.py`".to_owned()),
            false => Ok(rest.to_vec()),
        };
    }
    if program.ends_with(".py") {
        let file = first.trim_start_matches("./").to_owned();
        return Ok([&[file], rest].concat());
    }
    if SERVERS.contains(&program) {
        return Err(format!(
            "`{program}`, a web server: only the process type `web` answers requests"
        ));
    }
    match leading(program, scripts) {
        Some(leading) => Ok([&leading, rest].concat()),
        None => Err(format!(
            "`{program}`, which is neither Python nor a program of the app's packages: write it as `python FILE.py` or \
             `python -m MODULE`; there is {}",
            known(scripts)
        )),
    }
}

/// A program that is named by its file has to be there.
fn check_file(args: Vec<String>, facts: &SourceFacts) -> Result<Vec<String>, String> {
    let file = args.iter().find(|arg| !arg.starts_with('-'));
    let is_first = args.first().is_some_and(|first| Some(first) == file);
    match file.filter(|file| is_first && file.ends_with(".py") && !file.starts_with('/')) {
        Some(file) if facts.file(file.trim_start_matches("./")).is_none() => Err(format!(
            "`{file}`, which is not in the app's folder: correct the name"
        )),
        _ => Ok(args),
    }
}

fn known(scripts: &Scripts) -> String {
    let names = scripts
        .keys()
        .map(String::as_str)
        .filter(|name| !SERVERS.contains(name));
    let names: Vec<&str> = ["python"].into_iter().chain(names).collect();
    names.join(", ")
}

/// The first arguments for a program other than Python itself.
fn leading(program: &str, scripts: &Scripts) -> Option<Vec<String>> {
    let place = scripts.get(program)?;
    if let Some((_, module)) = MODULES.iter().find(|(name, _)| *name == program) {
        return Some(vec!["-m".to_owned(), (*module).to_owned()]);
    }
    let (module, function) = place.split_once(':')?;
    let first = function.split('.').next().unwrap_or(function);
    Some(vec![
        "-c".to_owned(),
        format!(
            "import sys; from {module} import {first}; sys.argv[0] = '{program}'; sys.exit({function}())"
        ),
    ])
}

/// First words of one-offs: `python`, and programs of packages.
pub(super) fn command_words(scripts: &Scripts) -> BTreeMap<String, CommandProgram> {
    let named = scripts.keys().filter(|name| {
        is_command_word(name) && !SERVERS.contains(&name.as_str()) && program_of(name) != "python"
    });
    let named = named.filter_map(|name| Some((name.clone(), leading(name, scripts)?)));
    let python = ["python", "python3"].map(|name| (name.to_owned(), Vec::new()));
    python
        .into_iter()
        .chain(named)
        .take(COMMAND_WORDS_MAX)
        .map(|(word, args)| {
            let component = component();
            (word, CommandProgram { component, args })
        })
        .collect()
}

/// The files that process types other than `web` load first.
pub(super) fn starts(procfile: Option<&Procfile>, facts: &SourceFacts) -> Vec<String> {
    let processes = procfile.iter().flat_map(|procfile| &procfile.processes);
    let others = processes.filter(|(process, _)| !process.is_web());
    let mut found = Vec::new();
    for (_, command) in others {
        let words = stored_words(command);
        let words = unwrapped(&words);
        for (at, word) in words.iter().enumerate() {
            let is_module = at > 0 && words[at - 1] == "-m";
            let file = match is_module {
                true => facts
                    .module(&format!("{word}.__main__"))
                    .or(facts.module(word)),
                false => facts.file(word.trim_start_matches("./")),
            };
            found.extend(file.map(|file| file.file.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests;

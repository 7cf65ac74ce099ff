//! Owns what a Python app runs besides requests: process types of the Procfile, and words for one-off dynos. Each becomes
//! arguments of the component, which takes the words that would follow `python` on a command line. Must not know the inside of
//! packages.

use std::collections::BTreeMap;

use grid::name::ProcessType;

use super::entry::servers::{program_of, skip_wrappers};
use super::facts::SourceFacts;
use super::layout::COMPONENT;
use crate::build::toolbox::command_line::{parse_setting, words_of};
use crate::build::toolbox::error::BuilderError;
use crate::manifest::command::ProcessCommand;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::{COMMAND_WORDS_MAX, CommandProgram, is_command_word};
use crate::path::SlugPath;

/// Programs of packages that are web servers. Only `web` answers requests, and it needs no such server.
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
/// Programs that are started by the module behind them.
const MODULE_PROGRAMS: [(&str, &str); 3] = [
    ("flask", "flask"),
    ("quart", "quart"),
    ("django-admin", "django"),
];

/// Programs of packages and of the app's project by name, each with its `module:function`.
pub(crate) type Scripts = BTreeMap<String, String>;

/// The commands of all process types but `web`.
pub(super) fn other_commands(
    procfile: Option<&Procfile>,
    scripts: &Scripts,
    facts: &SourceFacts,
) -> Result<BTreeMap<ProcessType, ProcessCommand>, BuilderError> {
    let processes = procfile.iter().flat_map(|procfile| &procfile.processes);
    let others = processes.filter(|(process, _)| !process.is_web());
    others
        .map(|(process, command)| {
            let args = python_arguments(&words_of(command), scripts)
                .and_then(|args| check_file(args, facts))
                .map_err(|why| {
                    BuilderError::Refused(format!("the Procfile's `{process}` runs {why}"))
                })?;
            let command = ProcessCommand {
                component: component_path(),
                args,
            };
            Ok((process.clone(), command))
        })
        .collect()
}

fn component_path() -> SlugPath {
    SlugPath::new(COMPONENT).expect("a path that this program names")
}

/// Turns a command into the arguments for `python`: `./x.py a` and `python x.py a` both become `x.py a`.
fn python_arguments(words: &[String], scripts: &Scripts) -> Result<Vec<String>, String> {
    let Some((first, rest)) = skip_wrappers(words).split_first() else {
        return Err("nothing: name a command, as in `python worker.py`".to_owned());
    };
    if parse_setting(first).is_some() {
        return Err(format!(
            "`{first}`, which sets a variable; only a shell can do that: use a config var (`dyno config set {first}`)"
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
    match first_arguments(program, scripts) {
        Some(leading) => Ok([&leading, rest].concat()),
        None => Err(format!(
            "`{program}`, which is neither Python nor a program of the app's packages: write `python FILE.py` or \
             `python -m MODULE`; known programs: {}",
            known_programs(scripts)
        )),
    }
}

/// Fails if the program is a file that is not there.
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

/// The programs that an app can run, for an error.
fn known_programs(scripts: &Scripts) -> String {
    let names = scripts
        .keys()
        .map(String::as_str)
        .filter(|name| !SERVERS.contains(name));
    let names: Vec<&str> = ["python"].into_iter().chain(names).collect();
    names.join(", ")
}

/// The arguments that start a program of a package; the program's own arguments follow.
fn first_arguments(program: &str, scripts: &Scripts) -> Option<Vec<String>> {
    let place = scripts.get(program)?;
    if let Some((_, module)) = MODULE_PROGRAMS.iter().find(|(name, _)| *name == program) {
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

/// The first words of commands of one-off dynos: `python`, and the programs of packages.
pub(super) fn command_words(scripts: &Scripts) -> BTreeMap<String, CommandProgram> {
    let named = scripts.keys().filter(|name| {
        is_command_word(name) && !SERVERS.contains(&name.as_str()) && program_of(name) != "python"
    });
    let named = named.filter_map(|name| Some((name.clone(), first_arguments(name, scripts)?)));
    let python = ["python", "python3"].map(|name| (name.to_owned(), Vec::new()));
    python
        .into_iter()
        .chain(named)
        .take(COMMAND_WORDS_MAX)
        .map(|(word, args)| {
            let component = component_path();
            (word, CommandProgram { component, args })
        })
        .collect()
}

/// The files that all process types but `web` load first.
pub(super) fn first_files(procfile: Option<&Procfile>, facts: &SourceFacts) -> Vec<String> {
    let processes = procfile.iter().flat_map(|procfile| &procfile.processes);
    let others = processes.filter(|(process, _)| !process.is_web());
    let mut found = Vec::new();
    for (_, command) in others {
        let words = words_of(command);
        let words = skip_wrappers(&words);
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

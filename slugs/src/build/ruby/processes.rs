//! Owns what a Ruby app runs besides requests: process types of the Procfile, and words for one-off dynos. Each becomes
//! arguments of the component, which takes the words that would follow `ruby` on a command line. Must not know the inside of
//! gems.

use std::collections::BTreeMap;
use std::path::Path;

use grid::name::ProcessType;

use super::entry::{GemEntry, SERVERS, plain_path, program_of, skip_wrappers};
use super::layout::COMPONENT;
use crate::build::toolbox::command_line::{parse_setting, words_of};
use crate::build::toolbox::error::BuilderError;
use crate::manifest::command::ProcessCommand;
use crate::manifest::procfile::Procfile;
use crate::manifest::slug_json::{COMMAND_WORDS_MAX, CommandProgram, is_command_word};
use crate::path::SlugPath;

/// The option of `ruby` that runs a program of a gem by its name.
const RUN_GEM_PROGRAM: &str = "-S";
/// Programs that need no gem of the app: Ruby brings them along.
const OWN_PROGRAMS: [&str; 2] = ["bundle", "rake"];

/// The commands of all process types but `web`.
pub(super) fn other_commands(
    folder: &Path,
    procfile: Option<&Procfile>,
    gems: &[GemEntry],
) -> Result<BTreeMap<ProcessType, ProcessCommand>, BuilderError> {
    let processes = procfile.iter().flat_map(|procfile| &procfile.processes);
    let others = processes.filter(|(process, _)| !process.is_web());
    others
        .map(|(process, command)| {
            let args = ruby_arguments(&words_of(command), folder, gems).map_err(|problem| {
                BuilderError::Refused(format!("the Procfile's `{process}` runs {problem}"))
            })?;
            let component = component_path();
            Ok((process.clone(), ProcessCommand { component, args }))
        })
        .collect()
}

fn component_path() -> SlugPath {
    SlugPath::new(COMPONENT).expect("a path that this program names")
}

/// Turns a command line into the words after `ruby`. The error completes the sentence "the Procfile's … runs …".
fn ruby_arguments(
    words: &[String],
    folder: &Path,
    gems: &[GemEntry],
) -> Result<Vec<String>, String> {
    let Some((first, rest)) = skip_wrappers(words).split_first() else {
        return Err("nothing: name a command, as in `ruby worker.rb`".to_owned());
    };
    if parse_setting(first).is_some() {
        return Err(format!(
            "`{first}`, which sets a variable; only a shell can do that: use a config var (`dyno config set {first}`)"
        ));
    }
    let program = program_of(first);
    if program == "ruby" {
        return match rest.first() {
            None => Err("`ruby` alone: name a program, as in `ruby worker.rb`".to_owned()),
            Some(file) if file.ends_with(".rb") => {
                check_file(file, folder)?;
                Ok(rest.to_vec())
            }
            Some(_) => Ok(rest.to_vec()),
        };
    }
    if program.ends_with(".rb") || folder.join(plain_path(first)).is_file() {
        check_file(first, folder)?;
        return Ok([&[plain_path(first)], rest].concat());
    }
    if SERVERS.contains(&program) {
        return Err(format!(
            "`{program}`, a web server: only the process type `web` answers requests"
        ));
    }
    if OWN_PROGRAMS.contains(&program) || program_names(gems).any(|name| name == program) {
        let leading = [RUN_GEM_PROGRAM.to_owned(), program.to_owned()];
        return Ok([&leading, rest].concat());
    }
    let known: Vec<&str> = ["ruby", "rake"]
        .into_iter()
        .chain(program_names(gems))
        .collect();
    Err(format!(
        "`{program}`, which is neither Ruby nor a program of the app's gems: write `ruby FILE.rb`; known programs: {}",
        known.join(", ")
    ))
}

fn check_file(file: &str, folder: &Path) -> Result<(), String> {
    match folder.join(plain_path(file)).is_file() {
        true => Ok(()),
        false => Err(format!(
            "`{file}`, which is not in the app's folder: correct the name"
        )),
    }
}

/// The programs of the gems that are not web servers.
fn program_names(gems: &[GemEntry]) -> impl Iterator<Item = &str> {
    let names = gems.iter().flat_map(|gem| gem.executables.keys());
    let others = names.filter(|name| !SERVERS.contains(&name.as_str()) && *name != "ruby");
    others.map(String::as_str)
}

/// The first words of commands of one-off dynos: `ruby`, and the programs of gems.
pub(super) fn command_words(gems: &[GemEntry]) -> BTreeMap<String, CommandProgram> {
    let named = OWN_PROGRAMS.into_iter().chain(program_names(gems));
    let named = named.filter(|name| is_command_word(name)).map(|name| {
        let args = vec![RUN_GEM_PROGRAM.to_owned(), name.to_owned()];
        (name.to_owned(), args)
    });
    std::iter::once(("ruby".to_owned(), Vec::new()))
        .chain(named)
        .take(COMMAND_WORDS_MAX)
        .map(|(word, args)| {
            let component = component_path();
            (word, CommandProgram { component, args })
        })
        .collect()
}

//! Owns the `Procfile`: one process type per line, `web: app.wasm --flag $PORT`.
//! Must not know whether the components exist.

use std::collections::BTreeMap;

use grid::name::ProcessType;

use super::command::ProcessCommand;
use super::error::{BuildWarning, ParsedFile, SyntaxError};

/// Name of the file.
pub const NAME: &str = "Procfile";
/// Most process types of an app. It bounds a formation.
pub const PROCESS_TYPES_MAX: usize = 64;

/// The process types of an app, each with its command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Procfile {
    /// The command of each process type.
    pub processes: BTreeMap<ProcessType, ProcessCommand>,
}

/// Parses a Procfile. Blank lines and lines that begin with `#` are skipped.
pub fn parse(text: &str) -> Result<ParsedFile<Procfile>, SyntaxError> {
    parse_lines(text, ProcessCommand::parse)
}

/// As [`parse`], for an app whose builder makes the component: commands may have the forms of other platforms.
pub(crate) fn parse_for_builder(text: &str) -> Result<ParsedFile<Procfile>, SyntaxError> {
    parse_lines(text, ProcessCommand::parse_for_builder)
}

/// As [`parse`], for an app that cargo builds: `target/release/shop` names the component that cargo makes of that program.
pub(crate) fn parse_for_cargo(text: &str) -> Result<ParsedFile<Procfile>, SyntaxError> {
    parse_lines(text, ProcessCommand::parse_for_cargo)
}

fn parse_lines(
    text: &str,
    command: fn(&str) -> Result<ProcessCommand, String>,
) -> Result<ParsedFile<Procfile>, SyntaxError> {
    let mut value = Procfile::default();
    let mut warnings = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, entry) in (1..).zip(text.lines()) {
        let entry = entry.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let (process, command) =
            parse_line(entry, command).map_err(|problem| SyntaxError::new(NAME, line, problem))?;
        if value.processes.insert(process.clone(), command).is_some() {
            return Err(SyntaxError::new(
                NAME,
                line,
                format!("`{process}` is there twice: remove one"),
            ));
        }
        if value.processes.len() > PROCESS_TYPES_MAX {
            return Err(SyntaxError::new(
                NAME,
                line,
                format!("more than {PROCESS_TYPES_MAX} process types: remove some"),
            ));
        }
    }
    if value.processes.is_empty() {
        warnings.push(BuildWarning {
            file: NAME.to_owned(),
            line: None,
            text:
                "it names no process type: add a line such as `web: app.wasm`, or remove the file"
                    .to_owned(),
        });
    }
    Ok(ParsedFile { value, warnings })
}

fn parse_line(
    entry: &str,
    command: fn(&str) -> Result<ProcessCommand, String>,
) -> Result<(ProcessType, ProcessCommand), String> {
    let (name, text) = entry
        .split_once(':')
        .ok_or("there is no `:`: write a process type and its command, as in `web: app.wasm`")?;
    let process = name
        .trim()
        .parse::<ProcessType>()
        .map_err(|error| error.to_string())?;
    Ok((process, command(text)?))
}

//! Owns the command of a process type: a component's path and its arguments, in which `$NAME` is replaced later.
//! Must not know the lines of the Procfile, nor run anything. There is no shell: syntax that only a shell understands (`|`,
//! `*.txt`, `~`) is refused with an error, and never becomes an argument by mistake.
//!
//! Quotes work as in a shell: `'…'` is literal, `"…"` keeps spaces and replaces `$NAME`, `\` takes the next character
//! literally, and a word that begins with `#` begins a comment. In a stored argument, `$` always begins a reference (`$NAME`,
//! `${NAME}`) or is doubled (`$$`, a dollar sign).

use std::collections::BTreeMap;

use super::env_name::is_env_name;
use crate::path::SlugPath;

/// Longest command, in bytes: far below the argument limit of any system.
pub const COMMAND_BYTES_MAX: usize = 8 << 10;
/// Most arguments.
pub const ARGS_MAX: usize = 256;

/// The command of a process type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessCommand {
    /// The component, relative to the app's folder.
    pub component: SlugPath,
    /// The arguments, in stored form: see [`expand`].
    pub args: Vec<String>,
}

/// Why references in arguments cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A variable is not set.
    #[error(
        "the command uses `${name}`, which is not set: set it (`dyno config set {name}=…`, or `.env` locally)"
    )]
    Unset {
        /// The name of the variable.
        name: String,
    },
    /// An argument is not in stored form. The arguments of a checked manifest always are.
    #[error(
        "the argument `{arg}` has a `$` that does not begin a name: write `$$` for a dollar sign"
    )]
    Form {
        /// The argument.
        arg: String,
    },
}

/// Replaces `$NAME` and `${NAME}` by values of the environment, and `$$` by `$`. Values are never split or expanded again.
/// A name that is not set is an error, not an empty text.
pub fn expand(args: &[String], env: &BTreeMap<String, String>) -> Result<Vec<String>, ExpandError> {
    args.iter().map(|arg| expand_arg(arg, env)).collect()
}

fn expand_arg(arg: &str, env: &BTreeMap<String, String>) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(arg.len());
    let mut rest = arg;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let (reference, after) = parse_reference(&rest[at..]).ok_or_else(|| ExpandError::Form {
            arg: arg.to_owned(),
        })?;
        match reference {
            VariableReference::Dollar => out.push('$'),
            VariableReference::Name(name) => {
                let value = env.get(name).ok_or_else(|| ExpandError::Unset {
                    name: name.to_owned(),
                })?;
                out.push_str(value);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The meaning of a `$`.
enum VariableReference<'a> {
    Dollar,
    Name(&'a str),
}

/// Parses the reference at the begin of a text, and returns the rest of the text too.
fn parse_reference(text: &str) -> Option<(VariableReference<'_>, &str)> {
    let rest = text.strip_prefix('$')?;
    if let Some(after) = rest.strip_prefix('$') {
        return Some((VariableReference::Dollar, after));
    }
    if let Some(braced) = rest.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return is_env_name(name).then_some((VariableReference::Name(name), after));
    }
    let end = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    let (name, after) = rest.split_at(end);
    is_env_name(name).then_some((VariableReference::Name(name), after))
}

/// Whether an argument is in stored form.
pub(crate) fn is_stored_form(arg: &str) -> bool {
    let mut rest = arg;
    while let Some(at) = rest.find('$') {
        match parse_reference(&rest[at..]) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

impl ProcessCommand {
    /// Parses a command line. The error says what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_with(text, parse_component)
    }

    /// As [`ProcessCommand::parse`], for an app whose builder makes the component and interprets the words: the first word may be
    /// `module:name` or a program of the language.
    pub(crate) fn parse_for_builder(text: &str) -> Result<Self, String> {
        Self::parse_with(text, parse_path)
    }

    /// As [`ProcessCommand::parse`], for an app that cargo builds: the first word may be the program that cargo would make for this
    /// machine, `target/release/shop`, as in Procfiles for other platforms.
    pub(crate) fn parse_for_cargo(text: &str) -> Result<Self, String> {
        Self::parse_with(text, |word| parse_component(&cargo_component(word)))
    }

    fn parse_with(
        text: &str,
        component: impl FnOnce(&str) -> Result<SlugPath, String>,
    ) -> Result<Self, String> {
        if text.len() > COMMAND_BYTES_MAX {
            return Err(format!(
                "the command is longer than {COMMAND_BYTES_MAX} bytes: move settings into config vars"
            ));
        }
        let mut words = split_words(text)?.into_iter();
        let first = words
            .next()
            .ok_or("there is no command: name a component, as in `web: app.wasm`")?;
        let component = component(&first)?;
        let args: Vec<String> = words.collect();
        if args.len() > ARGS_MAX {
            return Err(format!(
                "more than {ARGS_MAX} arguments: pass a file or config vars instead"
            ));
        }
        Ok(Self { component, args })
    }
}

/// Parses the first word as the path of a component.
fn parse_component(word: &str) -> Result<SlugPath, String> {
    if word.contains('$') {
        return Err(
            "`$` works only in arguments: write the component's path without it".to_owned(),
        );
    }
    if word
        .split_once('=')
        .is_some_and(|(name, _)| is_env_name(name))
    {
        return Err(format!(
            "`{word}` sets a variable, which only a shell can do: use `.env` or `dyno config set`, and begin with the component"
        ));
    }
    if !word.ends_with(".wasm") {
        return Err(format!(
            "`{word}` is not a component: a command begins with the path of a `.wasm` file in the app, as in `app.wasm --flag`"
        ));
    }
    parse_path(word)
}

/// The component that cargo makes of a program. A word that names no program of cargo is returned as it is.
fn cargo_component(word: &str) -> String {
    let path = word.strip_prefix("./").unwrap_or(word);
    let name = ["target/release/", "target/debug/"]
        .iter()
        .find_map(|folder| path.strip_prefix(folder));
    match name.filter(|name| !name.contains('/') && !name.ends_with(".wasm")) {
        Some(name) => format!("target/wasm32-wasip2/release/{name}.wasm"),
        None => word.to_owned(),
    }
}

fn parse_path(word: &str) -> Result<SlugPath, String> {
    let path = word.strip_prefix("./").unwrap_or(word);
    SlugPath::new(path).map_err(|error| format!("`{word}`: {error}"))
}

/// Splits a command line into words in stored form.
fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if next.is_whitespace() {
            words.extend(word.take());
            rest = &rest[next.len_utf8()..];
            continue;
        }
        if word.is_none() {
            match next {
                // A comment, as in a shell: to the end of the line.
                '#' => break,
                '~' => return Err(needs_shell("~")),
                _ => {}
            }
        }
        rest = take_piece(rest, next, word.get_or_insert_with(String::new))?;
    }
    words.extend(word);
    Ok(words)
}

/// Adds one piece (a quoted part, a reference, a character) to a word, and returns the rest of the text.
fn take_piece<'a>(rest: &'a str, next: char, word: &mut String) -> Result<&'a str, String> {
    let after = &rest[next.len_utf8()..];
    match next {
        '\'' => {
            let (literal, after) = after
                .split_once('\'')
                .ok_or("a `'` is not closed: add the other one")?;
            literal
                .chars()
                .for_each(|character| push_literal(word, character));
            Ok(after)
        }
        '"' => take_double_quoted(after, word),
        '\\' => {
            let escaped = after
                .chars()
                .next()
                .ok_or("the line ends with `\\`: write the command on one line")?;
            push_literal(word, escaped);
            Ok(&after[escaped.len_utf8()..])
        }
        '$' => take_dollar(rest, word),
        '|' | '&' | ';' | '<' | '>' | '`' | '(' | ')' => {
            Err(needs_shell(next.encode_utf8(&mut [0; 4])))
        }
        // A shell would search for matching files; for an option such as `--listen=*:$PORT` it finds none.
        '*' | '?' | '[' if !word.starts_with('-') => {
            Err(needs_shell(next.encode_utf8(&mut [0; 4])))
        }
        '{' if is_brace_expansion(rest) => Err(needs_shell("{…}")),
        _ if grid::text::is_control(next) => {
            Err("a control character in the command: remove it".to_owned())
        }
        _ => {
            word.push(next);
            Ok(after)
        }
    }
}

/// The error for syntax that only a shell understands.
fn needs_shell(sign: &str) -> String {
    format!(
        "`{sign}` needs a shell, and there is none: put it in quotes if it is meant literally, or name one component and its arguments"
    )
}

/// Whether a text begins with a brace expansion of a shell: `{a,b}`, `{1..9}`.
fn is_brace_expansion(text: &str) -> bool {
    let word = text.split(char::is_whitespace).next().unwrap_or_default();
    let inner = word.split_once('}').map(|(inner, _)| inner);
    inner.is_some_and(|inner| inner.contains(',') || inner.contains(".."))
}

/// Adds the text up to the closing `"` to a word, and returns the rest.
fn take_double_quoted<'a>(mut rest: &'a str, word: &mut String) -> Result<&'a str, String> {
    loop {
        let next = rest
            .chars()
            .next()
            .ok_or("a `\"` is not closed: add the other one")?;
        let after = &rest[next.len_utf8()..];
        rest = match next {
            '"' => return Ok(after),
            '$' => take_dollar(rest, word)?,
            '\\' if after.starts_with(['"', '\\', '$']) => {
                push_literal(word, char::from(after.as_bytes()[0]));
                &after[1..]
            }
            _ => {
                word.push(next);
                after
            }
        };
    }
}

/// Adds a `$` outside of single quotes to a word: a reference is kept, a single dollar sign is doubled.
fn take_dollar<'a>(rest: &'a str, word: &mut String) -> Result<&'a str, String> {
    if rest.starts_with("$(") {
        return Err(
            "`$(…)` needs a shell, and there is none: write the value itself, or use a config var"
                .to_owned(),
        );
    }
    if let Some(after) = rest.strip_prefix("$$") {
        word.push_str("$$");
        return Ok(after);
    }
    match parse_reference(rest) {
        Some((_, after)) => {
            word.push_str(&rest[..rest.len() - after.len()]);
            Ok(after)
        }
        None if rest.starts_with("${") => {
            Err("only `${NAME}` is replaced: defaults such as `${NAME:-x}` need a shell".to_owned())
        }
        None => {
            word.push_str("$$");
            Ok(&rest[1..])
        }
    }
}

fn push_literal(word: &mut String, character: char) {
    if character == '$' {
        word.push('$');
    }
    word.push(character);
}

//! Owns the command of a process type: a component's path and its arguments, with `$NAME` for later.
//! Must not know the Procfile's lines, nor run anything. There is no shell: what only a shell could
//! do is refused by name (`|`, `*.txt`, `~`), never passed on as an argument by mistake.
//!
//! Quotes work as in a shell: `'…'` is literal, `"…"` keeps spaces and replaces `$NAME`, `\` takes the
//! next character as it is, and a word that begins with `#` begins a comment. In a stored argument `$` always begins a reference (`$NAME`, `${NAME}`)
//! or is doubled (`$$`, a dollar sign).

use std::collections::BTreeMap;

use crate::path::SlugPath;

/// Longest command, in bytes: a screenful, and far under any system's argument limit.
pub const COMMAND_BYTES_MAX: usize = 8 << 10;
/// Most arguments.
pub const ARGS_MAX: usize = 256;

/// What a process type runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The component, named from the app's folder.
    pub component: SlugPath,
    /// Arguments, in stored form: see [`expand`].
    pub args: Vec<String>,
}

/// Why arguments cannot be made from an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A variable that is not there.
    #[error(
        "the command uses `${name}`, which is not set: set it (`dyno config set {name}=…`, or `.env` locally)"
    )]
    Unset {
        /// Its name.
        name: String,
    },
    /// Not in stored form; such arguments do not come out of a checked manifest.
    #[error("the argument `{arg}` has a `$` that begins no name: write `$$` for a dollar sign")]
    Form {
        /// The argument.
        arg: String,
    },
}

/// Replaces `$NAME` and `${NAME}` from the environment and `$$` by `$`. Values are never split or
/// looked at again. An unset name is an error, not an empty text.
pub fn expand(args: &[String], env: &BTreeMap<String, String>) -> Result<Vec<String>, ExpandError> {
    args.iter().map(|arg| expand_one(arg, env)).collect()
}

fn expand_one(arg: &str, env: &BTreeMap<String, String>) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(arg.len());
    let mut rest = arg;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let (reference, after) = reference(&rest[at..]).ok_or_else(|| ExpandError::Form {
            arg: arg.to_owned(),
        })?;
        match reference {
            Reference::Dollar => out.push('$'),
            Reference::Name(name) => {
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

enum Reference<'a> {
    Dollar,
    Name(&'a str),
}

/// Reads what a text that begins with `$` refers to, and what follows it.
fn reference(text: &str) -> Option<(Reference<'_>, &str)> {
    let rest = text.strip_prefix('$')?;
    if let Some(after) = rest.strip_prefix('$') {
        return Some((Reference::Dollar, after));
    }
    if let Some(braced) = rest.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return super::is_env_name(name).then_some((Reference::Name(name), after));
    }
    let end = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    let (name, after) = rest.split_at(end);
    super::is_env_name(name).then_some((Reference::Name(name), after))
}

/// Whether an argument is in stored form.
pub(crate) fn is_stored_form(arg: &str) -> bool {
    let mut rest = arg;
    while let Some(at) = rest.find('$') {
        match reference(&rest[at..]) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

impl Command {
    /// Reads a command line. The error says what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text, component)
    }

    /// As [`Command::parse`], where a builder makes the component and reads the words itself: the first one may be
    /// `module:name` or a program of the language.
    pub(crate) fn parse_for_builder(text: &str) -> Result<Self, String> {
        Self::read(text, path)
    }

    /// As [`Command::parse`], where cargo makes the component: the first word may be the program that it makes for this
    /// machine, `target/release/shop`, as Procfiles of other platforms have it.
    pub(crate) fn parse_for_cargo(text: &str) -> Result<Self, String> {
        Self::read(text, |word| component(&cargo_component(word)))
    }

    fn read(
        text: &str,
        component: impl FnOnce(&str) -> Result<SlugPath, String>,
    ) -> Result<Self, String> {
        if text.len() > COMMAND_BYTES_MAX {
            return Err(format!(
                "the command is longer than {COMMAND_BYTES_MAX} bytes; move settings into config vars"
            ));
        }
        let mut words = words(text)?.into_iter();
        let first = words
            .next()
            .ok_or("there is no command: name a component, as in `web: app.wasm`")?;
        let component = component(&first)?;
        let args: Vec<String> = words.collect();
        if args.len() > ARGS_MAX {
            return Err(format!(
                "more than {ARGS_MAX} arguments; pass a file or config vars instead"
            ));
        }
        Ok(Self { component, args })
    }
}

/// The first word, as a path in the app.
fn component(word: &str) -> Result<SlugPath, String> {
    if word.contains('$') {
        return Err(
            "the component's path must be written out: `$` works in arguments only".to_owned(),
        );
    }
    if word
        .split_once('=')
        .is_some_and(|(name, _)| super::is_env_name(name))
    {
        return Err(format!(
            "`{word}` sets a variable, which only a shell can: use `.env` or `dyno config set`, and begin with the component"
        ));
    }
    if !word.ends_with(".wasm") {
        return Err(format!(
            "`{word}` is not a component: a command begins with the path of a `.wasm` file in the app, as in `app.wasm --flag`"
        ));
    }
    path(word)
}

/// The component that cargo makes of a program, if the word names one.
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

fn path(word: &str) -> Result<SlugPath, String> {
    let path = word.strip_prefix("./").unwrap_or(word);
    SlugPath::new(path).map_err(|error| format!("`{word}`: {error}"))
}

/// Splits a command line into words in stored form.
fn words(text: &str) -> Result<Vec<String>, String> {
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
        rest = piece(rest, next, word.get_or_insert_with(String::new))?;
    }
    words.extend(word);
    Ok(words)
}

/// Takes one piece of a word (a quoted part, a reference, a character); gives what follows.
fn piece<'a>(rest: &'a str, next: char, word: &mut String) -> Result<&'a str, String> {
    let after = &rest[next.len_utf8()..];
    match next {
        '\'' => {
            let (literal, after) = after
                .split_once('\'')
                .ok_or("a `'` is not closed; add the other one")?;
            literal
                .chars()
                .for_each(|character| push_literal(word, character));
            Ok(after)
        }
        '"' => double_quoted(after, word),
        '\\' => {
            let escaped = after
                .chars()
                .next()
                .ok_or("the line ends with `\\`; write the command on one line")?;
            push_literal(word, escaped);
            Ok(&after[escaped.len_utf8()..])
        }
        '$' => dollar(rest, word),
        '|' | '&' | ';' | '<' | '>' | '`' | '(' | ')' => {
            Err(needs_shell(next.encode_utf8(&mut [0; 4])))
        }
        // A shell looks for files that fit, and no file fits an option such as `--listen=*:$PORT`.
        '*' | '?' | '[' if !word.starts_with('-') => {
            Err(needs_shell(next.encode_utf8(&mut [0; 4])))
        }
        '{' if is_brace_expansion(rest) => Err(needs_shell("{…}")),
        _ if grid::text::is_control(next) => {
            Err("a control character in the command; remove it".to_owned())
        }
        _ => {
            word.push(next);
            Ok(after)
        }
    }
}

fn needs_shell(sign: &str) -> String {
    format!(
        "`{sign}` needs a shell, and there is none; put it in quotes if it is meant as it is, or name one component and its arguments"
    )
}

/// Whether a text begins with what a shell makes several words of: `{a,b}`, `{1..9}`.
fn is_brace_expansion(text: &str) -> bool {
    let word = text.split(char::is_whitespace).next().unwrap_or_default();
    let inner = word.split_once('}').map(|(inner, _)| inner);
    inner.is_some_and(|inner| inner.contains(',') || inner.contains(".."))
}

fn double_quoted<'a>(mut rest: &'a str, word: &mut String) -> Result<&'a str, String> {
    loop {
        let next = rest
            .chars()
            .next()
            .ok_or("a `\"` is not closed; add the other one")?;
        let after = &rest[next.len_utf8()..];
        rest = match next {
            '"' => return Ok(after),
            '$' => dollar(rest, word)?,
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

/// A `$` outside of single quotes: a reference is kept, a lone dollar sign doubled.
fn dollar<'a>(rest: &'a str, word: &mut String) -> Result<&'a str, String> {
    if rest.starts_with("$(") {
        return Err(
            "`$(…)` needs a shell, and there is none; write the value out, or use a config var"
                .to_owned(),
        );
    }
    if let Some(after) = rest.strip_prefix("$$") {
        word.push_str("$$");
        return Ok(after);
    }
    match reference(rest) {
        Some((_, after)) => {
            word.push_str(&rest[..rest.len() - after.len()]);
            Ok(after)
        }
        None if rest.starts_with("${") => {
            Err("only `${NAME}` is replaced; defaults such as `${NAME:-x}` need a shell".to_owned())
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

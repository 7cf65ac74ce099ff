//! Owns `.env`: variables for local runs, one `NAME=value` each.
//! Must not know the process environment: nothing is read from it and nothing replaced.
//!
//! `export NAME=…` works. Unquoted values end at the line's end or at ` #`; `'…'` is literal; `"…"` knows
//! `\n`, `\r`, `\t`, `\"`, `\\`, `\$`. Quoted values may go over several lines, and several quoted parts in a row
//! are one value, as in a shell: `'it'\''s'`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::{Parsed, SyntaxError, Warning};
use super::is_env_name;

/// Name of the file.
pub const NAME: &str = ".env";
/// All names and values together (64 KiB), as for an app's config vars.
pub const ENV_BYTES_MAX: usize = 64 << 10;

/// Reads a `.env`. A name that is there twice has its last value, with a warning.
pub fn parse(text: &str) -> Result<Parsed<BTreeMap<String, String>>, SyntaxError> {
    let text = unix_lines(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut parser = Parser {
        rest: &text,
        line: 1,
    };
    let mut value = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut bytes = 0;
    while parser.skip_to_entry() {
        let line = parser.line;
        let (name, text) = parser.entry()?;
        bytes += name.len() + text.len();
        if bytes > ENV_BYTES_MAX {
            return Err(SyntaxError::new(
                NAME,
                line,
                format!("more than {ENV_BYTES_MAX} bytes in all; move data into files"),
            ));
        }
        if value.insert(name.clone(), text).is_some() {
            let text = format!("`{name}` is set again; the last one counts");
            warnings.push(Warning {
                file: NAME.to_owned(),
                line: Some(line),
                text,
            });
        }
    }
    Ok(Parsed { value, warnings })
}

/// Writes an entry as both a POSIX shell and [`parse`] read it, whatever the value: `NAME=value`, or quoted.
pub fn format_entry(name: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        format!("{name}={value}")
    } else {
        format!("{name}='{}'", value.replace('\'', r"'\''"))
    }
}

/// The text of a file from Windows with `\n` at the ends of its lines. A file with other line ends as well is left as
/// it is: there, `\r\n` can be part of a quoted value.
fn unix_lines(text: &str) -> Cow<'_, str> {
    let ends = text.matches('\n').count();
    if ends > 0 && text.matches("\r\n").count() == ends {
        text.replace("\r\n", "\n").into()
    } else {
        text.into()
    }
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, problem: impl Into<String>) -> SyntaxError {
        SyntaxError::new(NAME, self.line, problem)
    }

    /// Skips blank lines and comments; false at the end.
    fn skip_to_entry(&mut self) -> bool {
        loop {
            self.blanks();
            match self.rest.chars().next() {
                None => return false,
                Some('\n') => self.take(1),
                Some('#') => {
                    self.take_line();
                }
                Some(_) => return true,
            };
        }
    }

    fn entry(&mut self) -> Result<(String, String), SyntaxError> {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with([' ', '\t'])
        {
            self.rest = rest;
            self.blanks();
        }
        let end = self
            .rest
            .find(['=', '\n'])
            .filter(|at| self.rest.as_bytes()[*at] == b'=');
        let end = end.ok_or_else(|| self.error("there is no `=`; write `NAME=value`"))?;
        let name = self.rest[..end].trim_end();
        if !is_env_name(name) {
            let shown = crate::path::shown(name.as_bytes());
            return Err(self.error(format!(
                "`{shown}` is no name: letters, digits and `_`, not a digit first"
            )));
        }
        let name = name.to_owned();
        self.take(end + 1);
        self.blanks();
        let value = self.value()?;
        if value.contains('\0') {
            return Err(self.error("a value cannot hold a NUL character; remove it"));
        }
        Ok((name, value))
    }

    fn value(&mut self) -> Result<String, SyntaxError> {
        if !self.rest.starts_with(['\'', '"']) {
            return Ok(self.unquoted());
        }
        let mut value = String::new();
        while let Some(part) = self.quoted_part()? {
            value.push_str(&part);
        }
        self.blanks();
        match self.rest.chars().next() {
            None | Some('\n' | '#') => {
                self.take_line();
                Ok(value)
            }
            Some(_) => {
                Err(self
                    .error("text after the closing quote; put all of the value into the quotes"))
            }
        }
    }

    /// The next part of a quoted value: `'…'`, `"…"`, or `\` and a character that it quotes.
    fn quoted_part(&mut self) -> Result<Option<String>, SyntaxError> {
        let mut characters = self.rest.chars();
        match (characters.next(), characters.next()) {
            (Some('\''), _) => self.single_quoted().map(Some),
            (Some('"'), _) => self.double_quoted().map(Some),
            (Some('\\'), Some(escaped)) if !escaped.is_whitespace() => {
                self.take(1 + escaped.len_utf8());
                Ok(Some(escaped.to_string()))
            }
            _ => Ok(None),
        }
    }

    fn unquoted(&mut self) -> String {
        let line = self.take_line();
        let mut end = line.len();
        for (at, _) in line.match_indices('#') {
            if at == 0 || line[..at].ends_with([' ', '\t']) {
                end = at;
                break;
            }
        }
        line[..end].trim().to_owned()
    }

    fn single_quoted(&mut self) -> Result<String, SyntaxError> {
        let end = self.rest[1..]
            .find('\'')
            .ok_or_else(|| self.error("a `'` is not closed; add the other one"))?;
        let value = self.rest[1..=end].to_owned();
        self.take(end + 2);
        Ok(value)
    }

    fn double_quoted(&mut self) -> Result<String, SyntaxError> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.take(at + 1);
                    return Ok(value);
                }
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some('t') => value.push('\t'),
                    Some(escaped @ ('"' | '\\' | '$')) => value.push(escaped),
                    Some(other) => value.extend(['\\', other]),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(self.error("a `\"` is not closed; add the other one"))
    }

    /// Skips spaces within a line.
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
    }

    /// Skips this many bytes, counting lines.
    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    /// Skips to the next line; gives what was left of this one.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        if line.len() < self.rest.len() {
            self.line += 1;
        }
        self.rest = rest;
        line
    }
}

//! Owns `.env`: variables for local runs, as lines of `NAME=value`.
//! Must not know the environment of this process: references such as `$NAME` are not replaced.
//!
//! `export NAME=…` works. A value without quotes ends at the end of the line or at ` #`; `'…'` is literal; `"…"` has the
//! escapes `\n`, `\r`, `\t`, `\"`, `\\`, `\$`. A quoted value may span several lines, and adjacent quoted parts form one value,
//! as in a shell: `'it'\''s'`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::env_name::is_env_name;
use super::error::{BuildWarning, ParsedFile, SyntaxError};

/// Name of the file.
pub const NAME: &str = ".env";
/// All names and values together (64 KiB), as for an app's config vars.
pub const ENV_BYTES_MAX: usize = 64 << 10;

/// Parses a `.env`. If a name is there twice, its last value counts, with a warning.
pub fn parse(text: &str) -> Result<ParsedFile<BTreeMap<String, String>>, SyntaxError> {
    let text = to_unix_lines(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut parser = DotenvParser {
        rest: &text,
        line: 1,
    };
    let mut value = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut bytes = 0;
    while parser.skip_to_entry() {
        let line = parser.line;
        let (name, text) = parser.parse_entry()?;
        bytes += name.len() + text.len();
        if bytes > ENV_BYTES_MAX {
            return Err(SyntaxError::new(
                NAME,
                line,
                format!("more than {ENV_BYTES_MAX} bytes in all: move data into files"),
            ));
        }
        if value.insert(name.clone(), text).is_some() {
            let text = format!("`{name}` is set twice: the last value counts");
            warnings.push(BuildWarning {
                file: NAME.to_owned(),
                line: Some(line),
                text,
            });
        }
    }
    Ok(ParsedFile { value, warnings })
}

/// Writes an entry that a POSIX shell and [`parse`] read alike, whatever the value: `NAME=value`, or quoted.
pub fn format_entry(name: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        format!("{name}={value}")
    } else {
        format!("{name}='{}'", value.replace('\'', r"'\''"))
    }
}

/// Replaces the line ends of a file from Windows by `\n`. A text with mixed line ends is left as it is: in such a text, `\r\n`
/// can be part of a quoted value.
fn to_unix_lines(text: &str) -> Cow<'_, str> {
    let ends = text.matches('\n').count();
    if ends > 0 && text.matches("\r\n").count() == ends {
        text.replace("\r\n", "\n").into()
    } else {
        text.into()
    }
}

struct DotenvParser<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> DotenvParser<'a> {
    fn error(&self, problem: impl Into<String>) -> SyntaxError {
        SyntaxError::new(NAME, self.line, problem)
    }

    /// Skips blank lines and comments. Returns false at the end of the text.
    fn skip_to_entry(&mut self) -> bool {
        loop {
            self.skip_blanks();
            match self.rest.chars().next() {
                None => return false,
                Some('\n') => self.skip(1),
                Some('#') => {
                    self.take_line();
                }
                Some(_) => return true,
            };
        }
    }

    fn parse_entry(&mut self) -> Result<(String, String), SyntaxError> {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with([' ', '\t'])
        {
            self.rest = rest;
            self.skip_blanks();
        }
        let end = self
            .rest
            .find(['=', '\n'])
            .filter(|at| self.rest.as_bytes()[*at] == b'=');
        let end = end.ok_or_else(|| self.error("there is no `=`: write `NAME=value`"))?;
        let name = self.rest[..end].trim_end();
        if !is_env_name(name) {
            let shown = crate::path::shown(name.as_bytes());
            return Err(self.error(format!(
                "`{shown}` is not a name: use letters, digits and `_`, and no digit first"
            )));
        }
        let name = name.to_owned();
        self.skip(end + 1);
        self.skip_blanks();
        let value = self.parse_value()?;
        if value.contains('\0') {
            return Err(self.error("a value cannot hold a NUL character: remove it"));
        }
        Ok((name, value))
    }

    fn parse_value(&mut self) -> Result<String, SyntaxError> {
        if !self.rest.starts_with(['\'', '"']) {
            return Ok(self.parse_unquoted());
        }
        let mut value = String::new();
        while let Some(part) = self.parse_quoted_part()? {
            value.push_str(&part);
        }
        self.skip_blanks();
        match self.rest.chars().next() {
            None | Some('\n' | '#') => {
                self.take_line();
                Ok(value)
            }
            Some(_) => Err(self.error(
                "there is text after the closing quote: put the whole value into the quotes",
            )),
        }
    }

    /// Parses the next part of a quoted value: `'…'`, `"…"`, or `\` and a character.
    fn parse_quoted_part(&mut self) -> Result<Option<String>, SyntaxError> {
        let mut characters = self.rest.chars();
        match (characters.next(), characters.next()) {
            (Some('\''), _) => self.parse_single_quoted().map(Some),
            (Some('"'), _) => self.parse_double_quoted().map(Some),
            (Some('\\'), Some(escaped)) if !escaped.is_whitespace() => {
                self.skip(1 + escaped.len_utf8());
                Ok(Some(escaped.to_string()))
            }
            _ => Ok(None),
        }
    }

    fn parse_unquoted(&mut self) -> String {
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

    fn parse_single_quoted(&mut self) -> Result<String, SyntaxError> {
        let end = self.rest[1..]
            .find('\'')
            .ok_or_else(|| self.error("a `'` is not closed: add the other one"))?;
        let value = self.rest[1..=end].to_owned();
        self.skip(end + 2);
        Ok(value)
    }

    fn parse_double_quoted(&mut self) -> Result<String, SyntaxError> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.skip(at + 1);
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
        Err(self.error("a `\"` is not closed: add the other one"))
    }

    /// Skips spaces within a line.
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
    }

    /// Skips this many bytes, and counts their lines.
    fn skip(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    /// Skips to the next line. Returns the rest of this one.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        if line.len() < self.rest.len() {
            self.line += 1;
        }
        self.rest = rest;
        line
    }
}

//! Owns how the parsers of people's files answer: a value with warnings, or an error with a line.
//! Must not know any one file's form.

use std::fmt;

/// A parsed file: its value, and what deserves a word although it is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<T> {
    /// What the file says.
    pub value: T,
    /// In the order of the lines.
    pub warnings: Vec<Warning>,
}

/// Something that a user should know and that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file, as named in the app's folder.
    pub file: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// Why a file that people write cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}: {problem}")]
pub struct SyntaxError {
    /// The file, as named in the app's folder.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl SyntaxError {
    pub(crate) fn new(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            problem: problem.into(),
        }
    }
}

/// The line, from 1, of a byte in a text.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Least similarity (Jaro-Winkler) at which a known word is offered for an unknown one.
const SIMILAR: f64 = 0.7;

/// ` (did you mean …?)` or the list of what there is.
pub(crate) fn suggestion(unknown: &str, known: &[&str]) -> String {
    let score = |word: &&&str| (strsim::jaro_winkler(unknown, word) * 1e6) as u64;
    match known.iter().max_by_key(score) {
        Some(word) if strsim::jaro_winkler(unknown, word) >= SIMILAR => {
            format!("did you mean `{word}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}

//! Owns the result of parsing a file that people write: a value with warnings, or an error with a line.
//! Must not know the form of any one file.

use std::fmt;

/// A parsed file: its value, and warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedFile<T> {
    /// The value.
    pub value: T,
    /// The warnings, in the order of the lines.
    pub warnings: Vec<BuildWarning>,
}

/// A problem that the author should know, and that does not stop the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildWarning {
    /// The file, relative to the app's folder.
    pub file: String,
    /// The line, counted from 1, if the warning is about one.
    pub line: Option<usize>,
    /// The problem, and the remedy.
    pub text: String,
}

impl fmt::Display for BuildWarning {
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
    /// The file, relative to the app's folder.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The error, and the remedy.
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

/// The line of a byte in a text, counted from 1.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Least similarity (Jaro-Winkler) at which a known word is suggested for an unknown one.
const SIMILAR: f64 = 0.7;

/// A suggestion for an unknown word: the most similar known word, or the list of all known words.
pub(crate) fn suggestion(unknown: &str, known: &[&str]) -> String {
    let score = |word: &&&str| (strsim::jaro_winkler(unknown, word) * 1e6) as u64;
    match known.iter().max_by_key(score) {
        Some(word) if strsim::jaro_winkler(unknown, word) >= SIMILAR => {
            format!("did you mean `{word}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}

//! A word of a closed list, as a client reads it from a server that may know more words.
//!
//! Owns that tolerance. Must not know single lists.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A word of the list `T`, or a word that only a newer server knows.
///
/// `T` is an enum without data that serde writes as text. Prints as that text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OpenEnum<T> {
    /// A word of the list. The server sends no others.
    Known(T),
    /// Another word, as it was received.
    Unknown(String),
}

impl<T> From<T> for OpenEnum<T> {
    fn from(word: T) -> Self {
        OpenEnum::Known(word)
    }
}

impl<T: PartialEq> PartialEq<T> for OpenEnum<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, OpenEnum::Known(word) if word == other)
    }
}

impl<T: Serialize> fmt::Display for OpenEnum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // serde writes an enum without data, and text, to a formatter as they are.
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Color {
        Red,
    }

    #[test]
    fn known_and_unknown_words_are_read_and_printed_as_received() {
        let read = |text: &str| serde_json::from_str::<OpenEnum<Color>>(text);
        let known = read("\"red\"").expect("a word");
        assert_eq!(known, Color::Red);
        assert_eq!(known.to_string(), "red");
        let unknown = read("\"green\"").expect("a word");
        assert_ne!(unknown, Color::Red);
        assert_eq!(unknown.to_string(), "green");
        assert_eq!(serde_json::to_string(&unknown).expect("JSON"), "\"green\"");
        assert!(read("7").is_err());
    }
}

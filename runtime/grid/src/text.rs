//! Texts for people: which characters may stand in names and log lines, and how an error is written with its causes.
//!
//! Owns the characters that steer a terminal or change the order in which others are shown, and the form of an error's
//! causes. Must not know where a text comes from, nor where it is shown.

use std::error::Error;

/// Whether a character changes the order in which its neighbours are shown (Unicode's property `Bidi_Control`): with it
/// a name or a line reads as another one.
pub fn is_bidi_control(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Whether a character has no place in a name: it is a control character, or a bidirectional one.
pub fn is_control(c: char) -> bool {
    c.is_control() || is_bidi_control(c)
}

/// The texts of an error and of all its causes, outermost first. A cause that repeats the text before it is left out,
/// since some errors show their cause's text as their own.
pub fn error_texts(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    texts
}

/// An error and all its causes in one line, with colons between them.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    error_texts(error).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_in_one_line_and_repeated_texts_are_left_out() {
        #[derive(Debug, thiserror::Error)]
        #[error("the disk is full")]
        struct Full;
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Outer<E: Error + 'static> {
            text: &'static str,
            source: E,
        }
        let text = "cannot write x";
        let inner = Outer { text, source: Full };
        let error = Outer {
            text,
            source: inner,
        };
        assert_eq!(error_chain(&error), "cannot write x: the disk is full");
        assert_eq!(error_texts(&error).len(), 2);
    }

    #[test]
    fn all_bidirectional_controls_of_unicode_are_recognized() {
        let all = ('\0'..=char::MAX).filter(|c| is_bidi_control(*c));
        let all: Vec<u32> = all.map(u32::from).collect();
        assert_eq!(
            all,
            [
                0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067,
                0x2068, 0x2069
            ]
        );
        assert!(is_control('\u{202e}') && is_control('\n') && !is_control('ع') && !is_control('a'));
    }
}

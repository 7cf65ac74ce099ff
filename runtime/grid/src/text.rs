//! Which characters may stand in names and in log lines.
//!
//! Owns the characters that steer a terminal or change the order in which others are shown. Must not know where a text
//! comes from, nor what becomes of one that has them.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twelve_bidirectional_controls_of_unicode() {
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

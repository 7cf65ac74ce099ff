//! Tests of the colours of an app's log lines.

use super::*;

#[test]
fn colours_are_shown_and_reset_at_the_end() {
    for (text, shown) in [
        ("plain", "plain"),
        (
            "\\u{1b}[31mred\\u{1b}[0m",
            "\u{1b}[31mred\u{1b}[0m\u{1b}[0m",
        ),
        ("\\u{1b}[1;38;5;208mx", "\u{1b}[1;38;5;208mx\u{1b}[0m"),
        (
            "\\u{1b}[38;2;1;2;3;48;2;4;5;6mx",
            "\u{1b}[38;2;1;2;3;48;2;4;5;6mx\u{1b}[0m",
        ),
        (
            "\\u{1b}[4:3;58:5:1mx\\u{1b}[m",
            "\u{1b}[4:3;58:5:1mx\u{1b}[m\u{1b}[0m",
        ),
    ] {
        assert_eq!(with_colours(text), shown);
    }
    assert_eq!(without_colours("\\u{1b}[31mred\\u{1b}[0m."), "red.");
}

#[test]
fn other_escape_sequences_stay_escaped() {
    for text in [
        "\\u{1b}[2J\\u{1b}[1;1H",
        "\\u{1b}]0;title\\u{7}",
        "\\u{1b}[8mhidden",
        "\\u{1b}[5m",
        "\\u{1b}[38m",
        "\\u{1b}[38;5m",
        "\\u{1b}[38;2;1m",
        "\\u{1b}[31",
        "\\u{1b}[",
        "\\u{1b}[?25l",
        "\\r\\n",
        "\\u{9b}31m",
        "\\u{1b}[31;8m",
    ] {
        assert_eq!(
            (with_colours(text).as_str(), without_colours(text).as_str()),
            (text, text)
        );
    }
    let long = format!("\\u{{1b}}[{}m", "1;".repeat(40));
    assert_eq!(with_colours(&long), long);
}

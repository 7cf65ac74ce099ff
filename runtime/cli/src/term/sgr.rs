//! Colours in an app's log lines: on a terminal they are shown, elsewhere they are left out.
//!
//! Log lines come with every control character escaped (`\\u{1b}[31m`), so that no line can pose as another one, move a
//! cursor or hide. Of those, only the sequences that set a colour or a font (SGR, ECMA-48 8.3.117) become real again,
//! each line on its own. Must not know where lines come from.

/// How an escape stands in a log line.
const ESCAPED: &str = "\\u{1b}[";
/// Longest parameters that a colour needs: `38;2;255;255;255;48;2;255;255;255` and some more.
const PARAMETERS_BYTES_MAX: usize = 64;
const RESET: &str = "\u{1b}[0m";

/// The text with real colours, reset at its end.
pub(crate) fn with_colours(text: &str) -> String {
    let mut is_coloured = false;
    let mut shown = replace(text, |parameters, out| {
        is_coloured = true;
        out.push_str("\u{1b}[");
        out.push_str(parameters);
        out.push('m');
    });
    if is_coloured {
        shown.push_str(RESET);
    }
    shown
}

/// The text without colours.
pub(crate) fn without_colours(text: &str) -> String {
    replace(text, |_, _| {})
}

/// Replaces the sequences that set colours; all else stays as it is, escaped.
fn replace(text: &str, mut each: impl FnMut(&str, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ESCAPED) {
        let (before, sequence) = rest.split_at(at);
        out.push_str(before);
        let body = &sequence[ESCAPED.len()..];
        let is_parameter = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
        let length = body.bytes().take_while(is_parameter).count();
        let (parameters, after) = body.split_at(length);
        match after.strip_prefix('m') {
            Some(after) if length <= PARAMETERS_BYTES_MAX && is_harmless(parameters) => {
                each(parameters, &mut out);
                rest = after;
            }
            _ => {
                out.push_str(ESCAPED);
                rest = body;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether all parameters set colours or fonts that leave the text readable: not concealed, and no blinking.
fn is_harmless(parameters: &str) -> bool {
    let mut parts = parameters.split(';');
    while let Some(part) = parts.next() {
        // `38:5:n`, `4:3`: parts of one parameter.
        let (code, has_parts) = match part.split_once(':') {
            Some((code, _)) => (code, true),
            None => (part, false),
        };
        match code.parse::<u8>() {
            Err(_) if code.is_empty() => {}
            Ok(38 | 48 | 58) if has_parts => {}
            Ok(38 | 48 | 58) => {
                let more = match parts.next() {
                    Some("5") => 1,
                    Some("2") => 3,
                    _ => return false,
                };
                if parts.by_ref().take(more).count() < more {
                    return false;
                }
            }
            Ok(
                0..=4
                | 7
                | 9
                | 21..=24
                | 27
                | 29..=37
                | 39..=47
                | 49
                | 53
                | 55
                | 59
                | 90..=97
                | 100..=107,
            ) => {}
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
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
    fn all_else_stays_escaped() {
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
}

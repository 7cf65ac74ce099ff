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
mod tests;

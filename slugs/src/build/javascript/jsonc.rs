//! Owns the reading of JSON with comments and trailing commas, as `wrangler.jsonc` and `deno.json` are written.
//! Must not know what the JSON means.

use serde_json::Value;

/// A text without the byte order mark that some editors write.
pub(super) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Parses JSON with comments. Lines and columns in errors are right, since comments are replaced by spaces.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&to_plain_json(without_bom(text)))
}

/// The same text as plain JSON, with spaces in place of comments and trailing commas.
fn to_plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => first.len_utf8(),
        };
        let (part, after) = rest.split_at(length);
        match first {
            '/' if length > 1 => plain.extend(part.chars().map(to_blank)),
            ',' if is_before_bracket(after) => plain.push(' '),
            _ => plain.push_str(part),
        }
        rest = after;
    }
    plain
}

fn to_blank(character: char) -> char {
    if character == '\n' { '\n' } else { ' ' }
}

/// The length of the string literal at the begin of a text, with its quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a closing bracket follows, after spaces and comments.
fn is_before_bracket(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        rest = match () {
            () if rest.starts_with("//") => rest.split_once('\n').map_or("", |(_, rest)| rest),
            () if rest.starts_with("/*") => rest.split_once("*/").map_or("", |(_, rest)| rest),
            () => return rest.starts_with([']', '}']),
        };
        rest = rest.trim_start();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn comments_and_trailing_commas_are_read() {
        let text = "\u{feff}{\n // one\n \"a\": \"// no, \\\" comment\", /* two\n , */ \"b\": [1, 2, /* x */ ],\n}\n";
        let value = parse(text).unwrap();
        assert_eq!(value, json!({"a": "// no, \" comment", "b": [1, 2]}));
    }

    #[test]
    fn error_names_its_line() {
        let error = parse("{\n/* a\n b */\n\"a\" 1}").unwrap_err();
        assert_eq!(error.line(), 4);
        assert!(parse("{\"a\": \"open").is_err());
        assert!(parse("[1,,]").is_err());
    }
}

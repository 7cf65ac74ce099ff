//! Rust source as text: code, comments and literals, and the start and end of functions.
//!
//! A simple lexer that handles quotes and comments. Must not know the rules.

use std::ops::Range;

/// The kind of a piece of Rust source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Code,
    Comment,
    /// A string or character literal.
    Text,
}

/// Splits a source into pieces, in order and without gaps.
fn cut(source: &str) -> Vec<(Kind, Range<usize>)> {
    let bytes = source.as_bytes();
    let mut pieces = Vec::new();
    let (mut code_from, mut at) = (0, 0);
    while at < bytes.len() {
        let word_goes_on =
            at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let Some((kind, len)) = piece(&source[at..], word_goes_on) else {
            at += source[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        pieces.push((Kind::Code, code_from..at));
        pieces.push((kind, at..at + len));
        at += len;
        code_from = at;
    }
    pieces.push((Kind::Code, code_from..bytes.len()));
    pieces
}

/// The kind and length of the comment or literal at the start of a text.
fn piece(text: &str, word_goes_on: bool) -> Option<(Kind, usize)> {
    if text.starts_with("//") {
        return Some((Kind::Comment, text.find('\n').unwrap_or(text.len())));
    }
    if text.starts_with("/*") {
        return Some((Kind::Comment, block_comment(text)));
    }
    if text.starts_with('"') {
        return Some((Kind::Text, quoted(text, '"')));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let mut rest = rest.chars();
        // Otherwise the quote starts a lifetime.
        let literal = rest.next() == Some('\\') || rest.next() == Some('\'');
        return literal.then(|| (Kind::Text, quoted(text, '\'')));
    }
    let start = ["r", "br", "cr"]
        .into_iter()
        .find(|start| text.starts_with(start));
    let start = start.filter(|_| !word_goes_on)?;
    let rest = &text[start.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let inner = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let inner = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some((Kind::Text, start.len() + hashes + 1 + inner))
}

/// The length of a block comment, which may be nested.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        match rest {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// The length of a quoted literal, in which a backslash escapes the next character.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// Blanks everything except one kind. Lines and columns stay the same.
pub(crate) fn only(source: &str, kept: Kind) -> String {
    let mut view = String::with_capacity(source.len());
    for (kind, range) in cut(source) {
        match kind == kept {
            true => view.push_str(&source[range]),
            false => view.push_str(&blank(&source[range])),
        }
    }
    view
}

fn blank(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect()
}

/// Blanks all items under `#[cfg(test)]`.
pub(crate) fn without_tests(code: &str) -> String {
    let mark = "#[cfg(test)]";
    let mut kept = code.to_owned();
    for (at, _) in code.match_indices(mark) {
        if let Some(end) = body_end(code, at + mark.len()) {
            kept.replace_range(at..end, &blank(&code[at..end]));
        }
    }
    kept
}

/// The position after the closing brace of the item that starts at `from`; `None` if the item has no body.
fn body_end(code: &str, from: usize) -> Option<usize> {
    let (mut depth, mut braces) = (0_i32, 0_i32);
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 && braces == 0 => return None,
            b'{' if depth == 0 || braces > 0 => braces += 1,
            b'}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The functions in code whose comments and literals are blanked. Functions without a body are skipped.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code
        .match_indices("fn ")
        .filter(|(at, _)| !code[..*at].ends_with(part));
    let all = starts.filter_map(|(at, _)| {
        let name: String = code[at + 3..]
            .trim_start()
            .chars()
            .take_while(|c| part(*c))
            .collect();
        let end = body_end(code, at).filter(|_| !name.is_empty())?;
        let line = line(code, at);
        let lines = code[at..end].matches('\n').count() + 1;
        Some(Function { name, line, lines })
    });
    all.collect()
}

/// The contents of string literals.
pub(crate) fn literals(source: &str) -> Vec<String> {
    let pieces = cut(source)
        .into_iter()
        .filter(|(kind, _)| *kind == Kind::Text);
    let inner = pieces.filter_map(|(_, range)| {
        let (_, rest) = source[range].split_once('"')?;
        let (text, _) = rest.rsplit_once('"')?;
        Some(text.to_owned())
    });
    inner.collect()
}

/// The positions of a whole word.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let whole = move |at: &usize| {
        let (before, after) = (&text[..*at], &text[*at + word.len()..]);
        let head = word.starts_with(part) && before.ends_with(part);
        let tail = word.ends_with(part) && after.starts_with(part);
        !(head || tail)
    };
    text.match_indices(word).map(|(at, _)| at).filter(whole)
}

/// Whether a text contains a whole word.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    words(text, word).next().is_some()
}

/// The line number of a byte position.
pub(crate) fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn literals_and_comments_are_distinguished_from_code() {
        let source = "let a = \"fn x() { \\\" \"; // fn y() {\n/* { /* \" */ \n */ f('\"', '\\'', '{');\nr#\"}\"}\"#; <'a>";
        assert_eq!(only(source, Kind::Code).len(), source.len());
        let code: Vec<String> = only(source, Kind::Code)
            .lines()
            .map(str::to_owned)
            .collect();
        let words = |line: &str| line.split_whitespace().collect::<String>();
        assert_eq!(
            code.iter().map(|l| words(l)).collect::<Vec<_>>(),
            ["leta=;", "", "f(,,);", ";<'a>"]
        );
        assert_eq!(words(&only(source, Kind::Comment)), "//fny(){/*{/*\"*/*/");
        assert_eq!(
            literals("[\"spin\", r#\"a\"#, \"../wat/boot.wat\", 'x']"),
            ["spin", "a", "../wat/boot.wat"]
        );
    }

    #[test]
    fn functions_are_measured() {
        let code = "fn one() {}\ntrait T { fn none(&self) -> [u8; 2]; }\npub async fn three(f: fn (u8)) {\n  if a { b }\n}\n";
        let lengths: BTreeMap<String, (usize, usize)> = functions(code)
            .into_iter()
            .map(|f| (f.name, (f.line, f.lines)))
            .collect();
        let expected = [("one", (1, 1)), ("three", (3, 3))];
        assert_eq!(
            lengths,
            expected.map(|(name, size)| (name.to_owned(), size)).into()
        );
    }
}

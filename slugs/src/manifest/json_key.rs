//! Owns where a key stands in a JSON text, for errors that name its line. The text has been parsed before.
//! Must not know what the keys mean.

use super::error::line_at;

/// The line, from 1, of the key at this path of objects, such as `["env", "PORT"]`. Nothing if there is none.
pub(super) fn line_of_key(text: &str, path: &[&str]) -> Option<usize> {
    let mut scanner = Scanner { text, at: 0 };
    // The keys that lead to the current object; an array counts as a key that no path has.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut key: Option<String> = None;
    while let Some((start, token)) = scanner.next_token() {
        match token {
            Token::Open => open.push(key.take()),
            Token::Close => {
                open.pop();
                key = None;
            }
            Token::Comma => key = None,
            Token::Key(name) => {
                let above = open.iter().skip(1).map(|name| name.as_deref());
                let here = above.chain([Some(name.as_str())]);
                if here.eq(path.iter().copied().map(Some)) {
                    return Some(line_at(text, start));
                }
                key = Some(name);
            }
        }
    }
    None
}

enum Token {
    Open,
    Close,
    Comma,
    Key(String),
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    /// The next token that matters, and where it begins; values are passed over.
    fn next_token(&mut self) -> Option<(usize, Token)> {
        loop {
            let start = self.at;
            let next = *self.text.as_bytes().get(self.at)?;
            self.at += 1;
            let token = match next {
                b'{' | b'[' => Token::Open,
                b'}' | b']' => Token::Close,
                b',' => Token::Comma,
                b'"' => match self.string(start) {
                    Some(name) if self.is_key() => Token::Key(name),
                    _ => continue,
                },
                _ => continue,
            };
            return Some((start, token));
        }
    }

    /// The string that begins here; the scanner goes to its end.
    fn string(&mut self, start: usize) -> Option<String> {
        let bytes = self.text.as_bytes();
        while *bytes.get(self.at)? != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    /// Whether a `:` follows.
    fn is_key(&self) -> bool {
        self.text[self.at..].trim_start().starts_with(':')
    }
}

#[cfg(test)]
mod tests {
    use super::line_of_key;

    #[test]
    fn a_key_is_found_where_its_path_leads() {
        let text = "{\n\"name\": \"env\",\n\"list\": [{\"env\": 1}, \"A\"],\n\"env\": {\n\"B\": {\"A\": \"}\"},\n\"\\u0041\": \"\\\"\"}}";
        assert_eq!(line_of_key(text, &["env"]), Some(4));
        assert_eq!(line_of_key(text, &["env", "B", "A"]), Some(5));
        assert_eq!(line_of_key(text, &["env", "A"]), Some(6));
        assert_eq!(line_of_key(text, &["list", "env"]), None);
        assert_eq!(line_of_key("{", &["env"]), None);
    }
}

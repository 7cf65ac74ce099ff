//! Owns the search for the line of a key in a JSON text, for errors. The text was parsed before.
//! Must not know what the keys mean.

use super::error::line_at;

/// Finds the line, counted from 1, of the key at a path of objects such as `["env", "PORT"]`.
pub(super) fn find_key_line(text: &str, path: &[&str]) -> Option<usize> {
    let mut scanner = JsonScanner { text, at: 0 };
    // The keys that lead to the current object; an array counts as a key that no path has.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut key: Option<String> = None;
    while let Some((start, token)) = scanner.next_token() {
        match token {
            JsonToken::Open => open.push(key.take()),
            JsonToken::Close => {
                open.pop();
                key = None;
            }
            JsonToken::Comma => key = None,
            JsonToken::Key(name) => {
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

enum JsonToken {
    Open,
    Close,
    Comma,
    Key(String),
}

struct JsonScanner<'a> {
    text: &'a str,
    at: usize,
}

impl JsonScanner<'_> {
    /// The next bracket, comma or key, and where it begins. Values are skipped.
    fn next_token(&mut self) -> Option<(usize, JsonToken)> {
        loop {
            let start = self.at;
            let next = *self.text.as_bytes().get(self.at)?;
            self.at += 1;
            let token = match next {
                b'{' | b'[' => JsonToken::Open,
                b'}' | b']' => JsonToken::Close,
                b',' => JsonToken::Comma,
                b'"' => match self.read_string(start) {
                    Some(name) if self.is_key() => JsonToken::Key(name),
                    _ => continue,
                },
                _ => continue,
            };
            return Some((start, token));
        }
    }

    /// Reads the string that begins at `start`, and moves behind it.
    fn read_string(&mut self, start: usize) -> Option<String> {
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
    use super::find_key_line;

    #[test]
    fn key_is_found_by_its_path_only() {
        let text = "{\n\"name\": \"env\",\n\"list\": [{\"env\": 1}, \"A\"],\n\"env\": {\n\"B\": {\"A\": \"}\"},\n\"\\u0041\": \"\\\"\"}}";
        assert_eq!(find_key_line(text, &["env"]), Some(4));
        assert_eq!(find_key_line(text, &["env", "B", "A"]), Some(5));
        assert_eq!(find_key_line(text, &["env", "A"]), Some(6));
        assert_eq!(find_key_line(text, &["list", "env"]), None);
        assert_eq!(find_key_line("{", &["env"]), None);
    }
}

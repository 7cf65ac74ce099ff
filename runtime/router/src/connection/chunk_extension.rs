//! The extensions of a chunk's size in an HTTP/1 body (RFC 9112, 7.1.1).
//!
//! Owns their grammar: `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`. Must not know what an
//! extension means: no later code reads extensions.

/// Whether `text`, which follows the digits of a size, is a list of extensions.
pub(crate) fn is_valid_extension_list(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some(after) = skip_extension(rest) else {
            return false;
        };
        rest = after;
    }
    true
}

/// The text after the first extension; `None` if there is no valid one.
fn skip_extension(text: &[u8]) -> Option<&[u8]> {
    let name = skip_blanks(skip_blanks(text).strip_prefix(b";")?);
    let rest = skip_token(name)?;
    let Some(value) = skip_blanks(rest).strip_prefix(b"=") else {
        return Some(rest);
    };
    match skip_blanks(value) {
        [b'"', quoted @ ..] => skip_quoted(quoted),
        value => skip_token(value),
    }
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\t'));
    &text[blanks.count()..]
}

fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let token = text.iter().take_while(|byte| is_token(**byte)).count();
    (token > 0).then(|| &text[token..])
}

/// The text after the closing quote of a quoted-string (RFC 9110, 5.6.4).
fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'\t' | b' '..=b'~' | 0x80..=0xff, after @ ..] => after,
            [
                b'\t' | b' ' | b'!' | b'#'..=b'[' | b']'..=b'~' | 0x80..=0xff,
                after @ ..,
            ] => after,
            _ => return None,
        };
    }
}

/// A character of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_tokens_and_quoted_strings() {
        for good in [
            ";a",
            ";a=b",
            " ; a = b",
            ";a=\"b c\"",
            ";a=\"b\\\"c\"",
            ";a;b=c;d=\"\"",
            ";ieof",
            "\t;\ta\t=\tb",
        ] {
            assert!(is_valid_extension_list(good.as_bytes()), "{good:?}");
        }
        for bad in [
            ";",
            ";;",
            ";=b",
            ";a=",
            ";a b",
            ";a=b c",
            ";a=\"b",
            ";a=\"b\"c",
            ";a(b",
            "a",
            " ",
            ";a ",
            ";a=\"\x01\"",
            ";a\x7f",
            ";a=\"\\",
        ] {
            assert!(!is_valid_extension_list(bad.as_bytes()), "{bad:?}");
        }
    }
}

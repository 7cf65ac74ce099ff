//! Owns the reading of bytes as the text that a person edited: byte order marks, encodings.
//! Must not know which file it is, nor the disk.

/// What the files of Windows editors may begin with.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The text of a file that people edit: UTF-8, without a byte order mark. The error says what the file is instead.
///
/// A mark that stayed would become part of the first line: of a `.slugignore` the first pattern, which then matches
/// nothing.
pub fn decode_text(bytes: Vec<u8>) -> Result<String, &'static str> {
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err("in UTF-16");
    }
    // UTF-16 without a mark: each ASCII character has a NUL beside it.
    if bytes.contains(&0) {
        return Err("in UTF-16, or not text");
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    if text.as_bytes().starts_with(UTF8_MARK) {
        text.drain(..UTF8_MARK.len());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::decode_text;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(
            decode_text(b"\xef\xbb\xbf*.key\r\n".to_vec()).as_deref(),
            Ok("*.key\r\n")
        );
        assert_eq!(decode_text("é".into()).as_deref(), Ok("é"));
        assert_eq!(decode_text(Vec::new()).as_deref(), Ok(""));
    }

    #[test]
    fn other_encodings_are_named() {
        for utf16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0b\0"] {
            let problem = decode_text(utf16.to_vec()).expect_err("refused");
            assert!(problem.contains("UTF-16"), "{problem}");
        }
        assert_eq!(decode_text(b"\xe9".to_vec()), Err("not UTF-8"));
    }
}

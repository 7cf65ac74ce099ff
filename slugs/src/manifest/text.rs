//! Owns the decoding of text files that people edit: byte order marks, encodings.
//! Must not know which file it is, nor the disk.

/// Byte order marks that editors on Windows write.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Decodes a file in UTF-8, and removes its byte order mark. The error says what the file is instead.
///
/// A mark that stayed would become part of the first line. In a `.slugignore`, the first pattern would then match nothing.
pub fn decode_text(bytes: Vec<u8>) -> Result<String, &'static str> {
    if is_utf16(&bytes) {
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

/// Whether a file begins with a byte order mark of UTF-16.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark))
}

/// As [`decode_text`], for source files, which may have another encoding: bytes that are not UTF-8 are replaced.
pub(crate) fn decode_lossily(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_mark_is_removed() {
        assert_eq!(
            decode_text(b"\xef\xbb\xbf*.key\r\n".to_vec()).as_deref(),
            Ok("*.key\r\n")
        );
        assert_eq!(decode_text("é".into()).as_deref(), Ok("é"));
        assert_eq!(decode_text(Vec::new()).as_deref(), Ok(""));
        assert_eq!(decode_lossily(b"\xef\xbb\xbf{} \xe9"), "{} \u{fffd}");
    }

    #[test]
    fn error_names_other_encodings() {
        for utf16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0b\0"] {
            let problem = decode_text(utf16.to_vec()).expect_err("refused");
            assert!(problem.contains("UTF-16"), "{problem}");
        }
        assert_eq!(decode_text(b"\xe9".to_vec()), Err("not UTF-8"));
    }
}

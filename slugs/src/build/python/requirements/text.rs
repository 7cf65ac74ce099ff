//! Owns the reading of text files as editors of all systems write them. Must not know what is in them.

use std::path::Path;

use crate::build::toolbox::error::BuilderError;
use crate::build::toolbox::sources;

/// Reads a text file in UTF-8, or in UTF-16 with a byte order mark (`pip freeze >` on Windows writes that). `None` if there
/// is no such file.
pub(crate) fn read_any_text(path: &Path) -> Result<Option<String>, BuilderError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return sources::read_text_lossy(path),
    };
    Ok(Some(decode(&bytes)))
}

pub(super) fn decode(bytes: &[u8]) -> String {
    let wide = |order: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes[2..].as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| order(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

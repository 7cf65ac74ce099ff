//! The name of a slug: the SHA-256 of its contents.
//!
//! Owns how a digest is written and read. Must not know how it is computed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;
/// The prefix of a digest.
const PREFIX: &str = "sha256:";

/// The SHA-256 of a slug, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlugId([u8; DIGEST_BYTES]);

/// Text that is no [`SlugId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a slug is named by sha256: and 64 hexadecimal digits")]
pub struct SlugIdError;

impl SlugId {
    /// The name of the slug with this digest.
    pub const fn new(digest: [u8; DIGEST_BYTES]) -> Self {
        SlugId(digest)
    }

    /// The digest.
    pub const fn bytes(&self) -> &[u8; DIGEST_BYTES] {
        &self.0
    }

    /// The digest as 64 hexadecimal digits in lower case, without prefix: fit for a file name.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(2 * DIGEST_BYTES);
        for byte in self.0 {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        hex
    }
}

/// Takes the digits with or without the prefix, in either case.
impl FromStr for SlugId {
    type Err = SlugIdError;

    fn from_str(text: &str) -> Result<Self, SlugIdError> {
        let hex = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes();
        if hex.len() != 2 * DIGEST_BYTES {
            return Err(SlugIdError);
        }
        let mut digest = [0; DIGEST_BYTES];
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(SlugId(digest))
    }
}

fn digit(byte: u8) -> Result<u8, SlugIdError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(SlugIdError),
    }
}

impl fmt::Display for SlugId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{PREFIX}{}", self.hex()))
    }
}

impl fmt::Debug for SlugId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SlugId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SlugId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

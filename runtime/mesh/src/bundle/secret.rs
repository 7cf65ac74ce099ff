//! Secrets of a bundle, which no log and no error shows.
//!
//! Owns random bytes, the text form of keys, and hiding. Must not know what a secret opens.

use std::fmt;
use std::str::FromStr;

use ring::hmac;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a [`GridKey`].
const KEY_BYTES: usize = 32;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct RandomnessError(#[source] getrandom::Error);

/// Random bytes of the operating system.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomnessError)?;
    Ok(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of exactly `2 * N` lower-case hexadecimal digits.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if text.len() != 2 * N || !text.as_bytes().iter().all(digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A text that `Debug` does not show, such as a password or a private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HiddenText(String);

impl HiddenText {
    /// Hides a text.
    pub fn new(text: String) -> Self {
        HiddenText(text)
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A secret of 32 bytes: the ledger's key, or the secret from which the logins at the engine follow. `Debug` does not
/// show it. Its text form is 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct GridKey([u8; KEY_BYTES]);

/// Text that is no [`GridKey`]. Does not contain the text, which may be a secret with a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 lower-case hexadecimal digits")]
pub struct GridKeyError;

impl GridKey {
    /// Makes a random key.
    pub fn generate() -> Result<Self, RandomnessError> {
        random_bytes().map(GridKey)
    }

    /// Takes the bytes of a key.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        GridKey(bytes)
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The secret that follows from this key for a purpose: HMAC-SHA-256, as hexadecimal digits.
    pub(super) fn derive(&self, purpose: &str) -> HiddenText {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        HiddenText(to_hex(hmac::sign(&key, purpose.as_bytes()).as_ref()))
    }
}

impl fmt::Debug for GridKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl FromStr for GridKey {
    type Err = GridKeyError;

    fn from_str(text: &str) -> Result<Self, GridKeyError> {
        from_hex(text).map(GridKey).ok_or(GridKeyError)
    }
}

impl Serialize for GridKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for GridKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

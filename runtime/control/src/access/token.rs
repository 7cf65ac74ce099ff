//! One token, and its secret.
//!
//! Owns what a token is, and how its secret is made. Must not know which tokens there are. A secret is shown once and
//! never kept: only its digest is.

use super::role::Role;
use crate::actor::Actor;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grid::name::AppName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// What every secret begins with, so that one that leaked is recognised for what it is.
pub(super) const SECRET_PREFIX: &str = "dyno_";
/// Bytes of chance in a secret.
const SECRET_BYTES: usize = 32;
/// Characters of a secret: the prefix, and the bytes in base64 without padding.
pub(super) const SECRET_CHARS: usize = SECRET_PREFIX.len() + 43;

/// The public name of a token: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// A text that is no token's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token's id has 16 hexadecimal digits")]
pub struct TokenIdError;

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(text: &str) -> Result<Self, TokenIdError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 16 && text.bytes().all(digit) {
            Ok(TokenId(text.to_owned()))
        } else {
            Err(TokenIdError)
        }
    }
}

impl TryFrom<String> for TokenId {
    type Error = TokenIdError;

    fn try_from(text: String) -> Result<Self, TokenIdError> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> String {
        id.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public name.
    pub id: TokenId,
    /// What its maker calls it; also who its holder is, in logs and releases.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The only app that its holder may see, if it is for one.
    pub app: Option<AppName>,
    /// The SHA-256 digest of its secret.
    pub hash: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Who made it.
    pub created_by: String,
}

impl Token {
    /// Whether its holder may do everything, to every app.
    pub(super) fn rules_all(&self) -> bool {
        self.role == Role::Admin && self.app.is_none()
    }
}

/// What a token's holder presents. It is not kept anywhere, and nothing prints it by accident.
pub struct TokenSecret(String);

impl TokenSecret {
    /// The text to be shown to its holder, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A new token, and its secret.
pub fn mint_token(
    name: &str,
    role: Role,
    app: Option<AppName>,
    by: &Actor,
) -> (Token, TokenSecret) {
    let chance: [u8; SECRET_BYTES] = crate::random::bytes();
    let secret = format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(chance));
    let token = Token {
        id: TokenId(format!(
            "{:016x}",
            u64::from_be_bytes(crate::random::bytes())
        )),
        name: name.to_owned(),
        role,
        app,
        hash: Sha256::digest(&secret).into(),
        created_ms: by.at_ms,
        created_by: by.by.clone(),
    };
    (token, TokenSecret(secret))
}

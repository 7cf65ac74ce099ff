//! A token and its secret.
//!
//! Owns the fields of a token and the creation of its secret. Must not know the list of tokens. A secret is shown
//! once and never stored: only its digest is stored.

use super::role::Role;
use crate::actor::Actor;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grid::name::AppName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The prefix of every secret, so that scanners recognise a leaked secret.
pub(super) const SECRET_PREFIX: &str = "dyno_";
/// Random bytes in a secret.
const SECRET_BYTES: usize = 32;
/// Length of a secret: the prefix, and the bytes in base64 without padding.
pub(super) const SECRET_CHARS: usize = SECRET_PREFIX.len() + 43;

/// The public id of a token: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// The text is not a token id.
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

/// A token, as stored in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The public id.
    pub id: TokenId,
    /// The name that its creator chose. Logs and releases show it as the actor.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The only app that the token is valid for; `None` for all apps.
    pub app: Option<AppName>,
    /// The SHA-256 digest of the secret.
    pub hash: [u8; 32],
    /// Creation time in milliseconds since 1970.
    pub created_ms: u64,
    /// The name of the creator.
    pub created_by: String,
}

impl Token {
    /// Whether this is an admin token for all apps.
    pub(super) fn can_do_everything(&self) -> bool {
        self.role == Role::Admin && self.app.is_none()
    }
}

/// A token to be created. The actor of the request becomes its creator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    /// The public id.
    pub id: TokenId,
    /// The name that its creator chose.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The only app that the token is valid for; `None` for all apps.
    pub app: Option<AppName>,
    /// The SHA-256 digest of the secret.
    pub hash: [u8; 32],
}

impl TokenSpec {
    /// The token that `creator` creates at this time, in milliseconds since 1970.
    pub fn into_token(self, creator: &Actor, created_ms: u64) -> Token {
        Token {
            id: self.id,
            name: self.name,
            role: self.role,
            app: self.app,
            hash: self.hash,
            created_ms,
            created_by: creator.name().to_owned(),
        }
    }
}

/// The secret of a token. Not stored, and not printed by `Debug`.
pub struct TokenSecret(String);

impl TokenSecret {
    /// The text, to be shown to the holder once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Chooses the id and the secret of a token to be created.
pub fn mint_token(name: &str, role: Role, app: Option<AppName>) -> (TokenSpec, TokenSecret) {
    let chance: [u8; SECRET_BYTES] = crate::random::bytes();
    let secret = format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(chance));
    let token = TokenSpec {
        id: TokenId(format!(
            "{:016x}",
            u64::from_be_bytes(crate::random::bytes())
        )),
        name: name.to_owned(),
        role,
        app,
        hash: Sha256::digest(&secret).into(),
    };
    (token, TokenSecret(secret))
}

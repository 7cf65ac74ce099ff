//! Who may do what: tokens and their roles.
//!
//! Owns what a token is, how its secret is made and how it is known again. Must not know HTTP, nor which
//! role a request needs. A secret is shown once and never kept: only its digest is.

mod uploads;

pub use uploads::Uploads;

use crate::command::Actor;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grid::name::{AppName, SlugId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Tokens of a server at most.
pub const TOKENS_MAX: usize = 1_000;
/// Characters of a token's name at most.
pub const TOKEN_NAME_CHARS_MAX: usize = 64;
/// What every secret begins with, so that one that leaked is recognised for what it is.
const SECRET_PREFIX: &str = "dyno_";
/// Bytes of chance in a secret.
const SECRET_BYTES: usize = 32;
/// Characters of a secret: the prefix, and the bytes in base64 without padding.
const SECRET_CHARS: usize = SECRET_PREFIX.len() + 43;

/// What the holder of a token may do; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Read,
    /// Change apps.
    Deploy,
    /// Everything.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Read => "read",
            Role::Deploy => "deploy",
            Role::Admin => "admin",
        })
    }
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of read, deploy and admin")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        match text {
            "read" => Ok(Role::Read),
            "deploy" => Ok(Role::Deploy),
            "admin" => Ok(Role::Admin),
            _ => Err(RoleError),
        }
    }
}

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
    fn rules_all(&self) -> bool {
        self.role == Role::Admin && self.app.is_none()
    }
}

/// A change of who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// There is a new token.
    TokenCreated(Token),
    /// A token is worth nothing any more.
    TokenRevoked(TokenId),
    /// A token for one app brought a slug, which such tokens may see from now on.
    SlugUploaded {
        /// The app that the token is for.
        app: AppName,
        /// The slug.
        slug: SlugId,
    },
}

/// What a token's holder presents. It is not kept anywhere, and nothing prints it by accident.
pub struct Secret(String);

impl Secret {
    /// The text to be shown to its holder, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A new token, and its secret.
pub fn mint(name: &str, role: Role, app: Option<AppName>, by: &Actor) -> (Token, Secret) {
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
    (token, Secret(secret))
}

/// Why access was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// There is no such token.
    #[error("there is no token {0}")]
    NoSuchToken(TokenId),
    /// There is a token with this id.
    #[error("the token {0} exists already")]
    TokenExists(TokenId),
    /// The name cannot be shown in one line.
    #[error("a token's name has 1 to {TOKEN_NAME_CHARS_MAX} visible characters")]
    Name,
    /// There are too many.
    #[error("a server has at most {TOKENS_MAX} tokens: revoke one that is not used")]
    TooMany,
    /// Nobody could do anything any more.
    #[error("{0} is the last admin token: create another one before you revoke it")]
    LastAdmin(TokenId),
}

/// All tokens. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    by_id: Arc<BTreeMap<TokenId, Token>>,
}

impl Tokens {
    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.by_id.values()
    }

    /// The token with this id.
    pub fn get(&self, id: &TokenId) -> Option<&Token> {
        self.by_id.get(id)
    }

    /// Whether nobody may do anything, as on a server that is new.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The token that this is the secret of. How long that takes tells nothing of any secret.
    pub fn authenticate(&self, presented: &str) -> Option<&Token> {
        // The length and the prefix are no secrets.
        if presented.len() != SECRET_CHARS || !presented.starts_with(SECRET_PREFIX) {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(presented).into();
        // Every token is compared, whether one was found or not.
        let (mut found, mut place) = (Choice::from(0), u64::MAX);
        for (index, token) in (0_u64..).zip(self.by_id.values()) {
            let same = token.hash.ct_eq(&hash);
            place.conditional_assign(&index, same);
            found |= same;
        }
        let index = usize::try_from(place).ok()?;
        self.by_id.values().nth(index).filter(|_| found.into())
    }

    /// Why a change cannot be made, if it cannot.
    pub(crate) fn check(&self, change: &Change) -> Result<(), Misfit> {
        match change {
            Change::TokenCreated(token) => {
                let chars = token.name.chars().count();
                let visible = !token.name.chars().any(grid::text::is_control);
                if !(1..=TOKEN_NAME_CHARS_MAX).contains(&chars) || !visible {
                    return Err(Misfit::Name);
                }
                if self.by_id.contains_key(&token.id) {
                    return Err(Misfit::TokenExists(token.id.clone()));
                }
                if self.by_id.len() >= TOKENS_MAX {
                    return Err(Misfit::TooMany);
                }
                Ok(())
            }
            Change::TokenRevoked(id) => {
                let token = self
                    .get(id)
                    .ok_or_else(|| Misfit::NoSuchToken(id.clone()))?;
                let others = self.iter().filter(|other| other.id != *id);
                if token.rules_all() && !others.into_iter().any(Token::rules_all) {
                    return Err(Misfit::LastAdmin(id.clone()));
                }
                Ok(())
            }
            Change::SlugUploaded { .. } => Ok(()),
        }
    }

    /// Makes a change that was checked when it was written.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::TokenCreated(token) => {
                Arc::make_mut(&mut self.by_id).insert(token.id.clone(), token.clone());
            }
            Change::TokenRevoked(id) => {
                Arc::make_mut(&mut self.by_id).remove(id);
            }
            Change::SlugUploaded { .. } => {}
        }
    }
}

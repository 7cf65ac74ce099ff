//! Which tokens there are.
//!
//! Owns how access changes, and how a token is known by its secret. Must not know HTTP, nor which role a request needs.

use super::token::{SECRET_CHARS, SECRET_PREFIX, Token, TokenId};
use grid::name::{AppName, SlugId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Tokens of a server at most.
pub const TOKENS_MAX: usize = 1_000;
/// Characters of a token's name at most.
pub const TOKEN_NAME_CHARS_MAX: usize = 64;

/// A change of who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessChange {
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

/// Why access was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
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
    pub(crate) fn check(&self, change: &AccessChange) -> Result<(), AccessError> {
        match change {
            AccessChange::TokenCreated(token) => {
                let chars = token.name.chars().count();
                let visible = !token.name.chars().any(grid::text::is_control);
                if !(1..=TOKEN_NAME_CHARS_MAX).contains(&chars) || !visible {
                    return Err(AccessError::Name);
                }
                if self.by_id.contains_key(&token.id) {
                    return Err(AccessError::TokenExists(token.id.clone()));
                }
                if self.by_id.len() >= TOKENS_MAX {
                    return Err(AccessError::TooMany);
                }
                Ok(())
            }
            AccessChange::TokenRevoked(id) => {
                let token = self
                    .get(id)
                    .ok_or_else(|| AccessError::NoSuchToken(id.clone()))?;
                let others = self.iter().filter(|other| other.id != *id);
                if token.rules_all() && !others.into_iter().any(Token::rules_all) {
                    return Err(AccessError::LastAdmin(id.clone()));
                }
                Ok(())
            }
            AccessChange::SlugUploaded { .. } => Ok(()),
        }
    }

    /// Makes a change that was checked when it was written.
    pub(crate) fn apply(&mut self, change: &AccessChange) {
        match change {
            AccessChange::TokenCreated(token) => {
                Arc::make_mut(&mut self.by_id).insert(token.id.clone(), token.clone());
            }
            AccessChange::TokenRevoked(id) => {
                Arc::make_mut(&mut self.by_id).remove(id);
            }
            AccessChange::SlugUploaded { .. } => {}
        }
    }
}

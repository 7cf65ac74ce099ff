//! The list of tokens.
//!
//! Owns changes of access, and the lookup of a token by its secret. Must not know HTTP, nor which role a request
//! needs.

use super::token::{SECRET_CHARS, SECRET_PREFIX, Token, TokenId};
use grid::name::{AppName, SlugId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Maximum number of tokens of a server.
pub const TOKENS_MAX: usize = 1_000;
/// Maximum number of characters of a token's name.
pub const TOKEN_NAME_CHARS_MAX: usize = 64;

/// A change of access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessChange {
    /// A token was created.
    TokenCreated(Token),
    /// A token was revoked.
    TokenRevoked(TokenId),
    /// A token for one app uploaded a slug. The app's tokens may use the slug from now on.
    SlugUploaded {
        /// The app that the token is for.
        app: AppName,
        /// The slug.
        slug: SlugId,
    },
}

/// The reason for which a change of access is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No token has this id.
    #[error("there is no token {0}")]
    NoSuchToken(TokenId),
    /// A token with this id exists.
    #[error("the token {0} exists already")]
    TokenExists(TokenId),
    /// The name is empty, too long, or has characters that are not visible.
    #[error("a token's name has 1 to {TOKEN_NAME_CHARS_MAX} visible characters")]
    Name,
    /// The number of add-ons is at its limit.
    #[error("a server has at most {TOKENS_MAX} tokens: revoke one that is not used")]
    TooMany,
    /// Without this token nobody could manage tokens.
    #[error("{0} is the last admin token: create another one before you revoke it")]
    LastAdmin(TokenId),
}

/// All tokens of a server. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    by_id: Arc<BTreeMap<TokenId, Token>>,
}

impl Tokens {
    /// All tokens, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.by_id.values()
    }

    /// The token with this id.
    pub fn get(&self, id: &TokenId) -> Option<&Token> {
        self.by_id.get(id)
    }

    /// Whether there are no tokens, as on a new server.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Finds the token with this secret, in constant time for all secrets.
    pub fn authenticate(&self, presented: &str) -> Option<&Token> {
        // The length and the prefix are public.
        if presented.len() != SECRET_CHARS || !presented.starts_with(SECRET_PREFIX) {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(presented).into();
        // All tokens are compared, even after a match, so that the time is the same.
        let (mut found, mut place) = (Choice::from(0), u64::MAX);
        for (index, token) in (0_u64..).zip(self.by_id.values()) {
            let same = token.hash.ct_eq(&hash);
            place.conditional_assign(&index, same);
            found |= same;
        }
        let index = usize::try_from(place).ok()?;
        self.by_id.values().nth(index).filter(|_| found.into())
    }

    /// Checks whether a change is valid.
    pub(crate) fn check_change(&self, change: &AccessChange) -> Result<(), AccessError> {
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
                if token.can_do_everything() && !others.into_iter().any(Token::can_do_everything) {
                    return Err(AccessError::LastAdmin(id.clone()));
                }
                Ok(())
            }
            AccessChange::SlugUploaded { .. } => Ok(()),
        }
    }

    /// Applies a change that was checked before it was written.
    pub(crate) fn apply_change(&mut self, change: &AccessChange) {
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

    /// Revokes the tokens that are valid for this app only: the next app of this name may belong to another user.
    pub(crate) fn revoke_tokens_of(&mut self, app: &AppName) {
        let is_of_app = |token: &Token| token.app.as_ref() == Some(app);
        if self.by_id.values().any(is_of_app) {
            Arc::make_mut(&mut self.by_id).retain(|_, token| !is_of_app(token));
        }
    }
}

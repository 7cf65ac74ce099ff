//! Access control: tokens and their roles.
//!
//! Owns tokens, their secrets and their verification. Must not know HTTP, nor which role a request needs. A secret
//! is shown once and never stored: only its digest is stored.

mod role;
mod token;
mod tokens;
mod uploads;

pub use role::{Role, RoleError};
pub use token::{Token, TokenId, TokenIdError, TokenSecret, TokenSpec, mint_token};
pub use tokens::{AccessChange, AccessError, TOKEN_NAME_CHARS_MAX, TOKENS_MAX, Tokens};
pub use uploads::SlugUploads;

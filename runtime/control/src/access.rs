//! Who may do what: tokens and their roles.
//!
//! Owns what a token is, how its secret is made and how it is known again. Must not know HTTP, nor which
//! role a request needs. A secret is shown once and never kept: only its digest is.

mod role;
mod token;
mod tokens;
mod uploads;

pub use role::{Role, RoleError};
pub use token::{Token, TokenId, TokenIdError, TokenSecret, mint_token};
pub use tokens::{AccessChange, AccessError, TOKEN_NAME_CHARS_MAX, TOKENS_MAX, Tokens};
pub use uploads::SlugUploads;

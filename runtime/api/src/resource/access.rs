//! Tokens, and the account that a token stands for.
//!
//! Owns their JSON forms. Must not know how a token is checked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::present;
use super::open_enum::OpenEnum;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub enum TokenRoleResource {
    /// To read everything but secrets.
    Read,
    /// To change apps as well.
    Deploy,
    /// To do everything.
    Admin,
}

/// The token that the request was sent with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountResource {
    /// The token's name.
    pub name: String,
    /// What the token allows.
    #[schema(value_type = TokenRoleResource)]
    pub role: OpenEnum<TokenRoleResource>,
    /// The only app that the token is for; `null`: all apps.
    #[schema(required)]
    pub app: Option<String>,
}

/// A token, without its secret except in the response that created it. No `Debug`, so that the secret is never printed.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenResource {
    /// The id, by which the token is revoked.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub id: String,
    /// The person or program that the token is for.
    pub name: String,
    /// What the token allows.
    #[schema(value_type = TokenRoleResource)]
    pub role: OpenEnum<TokenRoleResource>,
    /// The only app that the token is for; `null`: all apps.
    #[schema(required)]
    pub app: Option<String>,
    /// When the token was created.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The name of the token that created it.
    pub created_by: String,
    /// The secret, to be sent as `Authorization: Bearer`. Only the response that creates the token has it, and the
    /// server does not keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A token to create.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub struct CreateTokenRequest {
    /// The person or program that the token is for. Releases and logs show this name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    pub name: String,
    /// What the token is to allow.
    pub role: TokenRoleResource,
    /// The only app that the token is to be for; absent: all apps.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(pattern = "^[a-z][a-z0-9-]{1,28}[a-z0-9]$", nullable = false)]
    pub app: Option<String>,
}

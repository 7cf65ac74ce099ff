//! Tokens: who else may ask.
//!
//! Owns how tokens are shown: never with their secret, but once. Must not know how secrets are made.

use crate::failure::Failure;
use crate::request::caller::Caller;
use crate::request::extract::{Asked, Path, Query, given};
use crate::request::page::{Page, Paging};
use crate::state::State;
use crate::text;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use control::access::{self, AccessError, Role, TokenId};
use grid::name::AppName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token allows.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub(crate) enum RoleName {
    Read,
    Deploy,
    Admin,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Read => RoleName::Read,
            Role::Deploy => RoleName::Deploy,
            Role::Admin => RoleName::Admin,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Read => Role::Read,
            RoleName::Deploy => Role::Deploy,
            RoleName::Admin => Role::Admin,
        }
    }
}

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    #[schema(pattern = "^[0-9a-f]{16}$")]
    id: String,
    name: String,
    role: RoleName,
    /// The only app that it is for; none: all of them.
    #[schema(required)]
    app: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    created_by: String,
    /// The secret to be sent as `Authorization: Bearer`. It is shown this once and kept nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// What a token is to allow.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Who or what it is for; releases and logs name it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    name: String,
    role: RoleName,
    /// The only app that it is to be for.
    #[serde(default, deserialize_with = "given")]
    #[schema(pattern = "^[a-z][a-z0-9-]{1,28}[a-z0-9]$", nullable = false)]
    app: Option<String>,
}

fn shown(token: &access::Token, secret: Option<&access::TokenSecret>) -> Token {
    Token {
        id: token.id.to_string(),
        name: token.name.clone(),
        role: token.role.into(),
        app: token.app.as_ref().map(ToString::to_string),
        created_at: text::millis(token.created_ms),
        created_by: token.created_by.clone(),
        token: secret.map(|secret| secret.reveal().to_owned()),
    }
}

/// All tokens
///
/// Needs the role admin.
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "list_tokens", tag = "access", params(Paging),
    responses((status = 200, description = "Tokens by id, without their secrets", body = Page<Token>)),
)]
pub(crate) async fn list(
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Token>>, Failure> {
    caller.may_everywhere(Role::Admin)?;
    let tokens = caller.view.tokens.iter();
    let page = paging.page(
        tokens,
        |token| token.id.to_string(),
        |token| shown(token, None),
    );
    page.map(Json)
}

/// Create a token
///
/// Needs the role admin. The answer holds the secret, which is not shown again.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "create_token", tag = "access", request_body = NewToken,
    responses((status = 201, description = "The token, with its secret", body = Token)),
)]
pub(crate) async fn create(
    With(state): With<State>,
    asked: Asked<NewToken>,
) -> Result<(StatusCode, Json<Token>), Failure> {
    let Asked { caller, body, key } = asked;
    caller.may_everywhere(Role::Admin)?;
    let app = body.app.map(|name| name.parse::<AppName>()).transpose();
    let app = app.map_err(|error| Failure::invalid("invalid_value", error.to_string()))?;
    let actor = caller.actor();
    let (token, secret) = access::mint_token(&body.name, body.role.into(), app, &actor);
    let accepted = state
        .control
        .create_token(token.clone(), actor, key)
        .await?;
    if accepted.repeated {
        return Err(Failure::conflict(
            "created_before",
            "an earlier request with this idempotency key created the token, and its secret is shown \
             once only: revoke that token and create another one",
        ));
    }
    Ok((StatusCode::CREATED, Json(shown(&token, Some(&secret)))))
}

/// Revoke a token
///
/// Needs the role admin. The last admin token stays.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", operation_id = "revoke_token", tag = "access",
    responses((status = 204, description = "It is worth nothing any more")),
)]
pub(crate) async fn revoke(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<StatusCode, Failure> {
    if !caller.sees_token(&id) {
        return Err(AccessError::NoSuchToken(id).into());
    }
    caller.may_everywhere(Role::Admin)?;
    state.control.revoke_token(id, caller.actor(), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

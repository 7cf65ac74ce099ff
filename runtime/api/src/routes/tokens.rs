//! Tokens.
//!
//! Owns how they are shown: without their secret, except once. Must not know how secrets are made.

use crate::failure::ApiFailure;
use crate::request::caller::Caller;
use crate::request::extract::{PathName, QueryParameters};
use crate::request::json_body::JsonRequest;
use crate::request::paging::ListPaging;
use crate::resource::{
    CreateTokenRequest, OpenEnum, PageResource, TokenResource, TokenRoleResource,
};
use crate::state::ApiState;
use crate::text;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::access::{self, AccessError, Role, Token, TokenId, TokenSecret};
use grid::name::AppName;

impl From<Role> for TokenRoleResource {
    fn from(role: Role) -> Self {
        match role {
            Role::Read => TokenRoleResource::Read,
            Role::Deploy => TokenRoleResource::Deploy,
            Role::Admin => TokenRoleResource::Admin,
        }
    }
}

impl From<TokenRoleResource> for Role {
    fn from(role: TokenRoleResource) -> Self {
        match role {
            TokenRoleResource::Read => Role::Read,
            TokenRoleResource::Deploy => Role::Deploy,
            TokenRoleResource::Admin => Role::Admin,
        }
    }
}

fn token_resource(token: &Token, secret: Option<&TokenSecret>) -> TokenResource {
    TokenResource {
        id: token.id.to_string(),
        name: token.name.clone(),
        role: OpenEnum::Known(token.role.into()),
        app: token.app.as_ref().map(ToString::to_string),
        created_at: text::format_unix_millis(token.created_ms),
        created_by: token.created_by.clone(),
        token: secret.map(|secret| secret.reveal().to_owned()),
    }
}

/// All tokens
///
/// Needs the role admin.
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "list_tokens", tag = "access", params(ListPaging),
    responses((status = 200, description = "Tokens by id, without their secrets", body = PageResource<TokenResource>)),
)]
pub(crate) async fn list_tokens(
    caller: Caller,
    QueryParameters(paging): QueryParameters<ListPaging>,
) -> Result<Json<PageResource<TokenResource>>, ApiFailure> {
    caller.require_role_for_all_apps(Role::Admin)?;
    let page = paging.cut_page(
        caller.view.tokens.iter(),
        |token| token.id.to_string(),
        |token| token_resource(token, None),
    );
    page.map(Json)
}

/// Create a token
///
/// Needs the role admin. The response holds the secret, which is not shown again.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "create_token", tag = "access", request_body = CreateTokenRequest,
    responses((status = 201, description = "The token, with its secret", body = TokenResource)),
)]
pub(crate) async fn create_token(
    State(state): State<ApiState>,
    request: JsonRequest<CreateTokenRequest>,
) -> Result<(StatusCode, Json<TokenResource>), ApiFailure> {
    let JsonRequest { caller, body, key } = request;
    caller.require_role_for_all_apps(Role::Admin)?;
    let app = body.app.map(|name| name.parse::<AppName>()).transpose();
    let app = app.map_err(|error| ApiFailure::invalid_value(error.to_string()))?;
    let actor = caller.actor();
    let (spec, secret) = access::mint_token(&body.name, body.role.into(), app);
    let creation = state.control.create_token(spec.clone(), actor.clone(), key);
    let accepted = creation.await?;
    if accepted.repeated {
        return Err(ApiFailure::conflict(
            "created_before",
            "an earlier request with this idempotency key created the token, and its secret is shown \
             once only: revoke that token and create another one",
        ));
    }
    let token = spec.into_token(&actor, accepted.at_ms);
    let created = token_resource(&token, Some(&secret));
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revoke a token
///
/// Needs the role admin. The last admin token cannot be revoked.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", operation_id = "revoke_token", tag = "access",
    responses((status = 204, description = "The token is not accepted any more")),
)]
pub(crate) async fn revoke_token(
    State(state): State<ApiState>,
    caller: Caller,
    PathName(id): PathName<TokenId>,
) -> Result<StatusCode, ApiFailure> {
    if !caller.can_see_token(&id) {
        return Err(AccessError::NoSuchToken(id).into());
    }
    caller.require_role_for_all_apps(Role::Admin)?;
    state.control.revoke_token(id, caller.actor(), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

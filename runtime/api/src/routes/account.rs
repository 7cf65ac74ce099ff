//! The account of the caller.
//!
//! Owns this response. Must not know how tokens are checked.

use crate::request::caller::Caller;
use crate::resource::{AccountResource, OpenEnum};
use axum::Json;

/// Who am I
///
/// Shows the token that the request was sent with.
#[utoipa::path(
    get, path = "/v1/account", operation_id = "show_account", tag = "access",
    responses((status = 200, description = "The token's name and role", body = AccountResource)),
)]
pub(crate) async fn show_account(caller: Caller) -> Json<AccountResource> {
    Json(AccountResource {
        name: caller.token.name.clone(),
        role: OpenEnum::Known(caller.token.role.into()),
        app: caller.token.app.as_ref().map(ToString::to_string),
    })
}

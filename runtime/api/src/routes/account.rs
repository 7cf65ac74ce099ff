//! Who the caller is.
//!
//! Owns nothing but that answer. Must not know how callers are told apart.

use crate::request::caller::Caller;
use crate::routes::tokens::RoleName;
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The holder of the token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    /// The token's name.
    name: String,
    /// What the token allows.
    role: RoleName,
    /// The only app that the token is for; none: all of them.
    #[schema(required)]
    app: Option<String>,
}

/// Who am I
///
/// Tells what the token is that was sent.
#[utoipa::path(
    get, path = "/v1/account", operation_id = "show_account", tag = "access",
    responses((status = 200, description = "The token's name and role", body = Account)),
)]
pub(crate) async fn show(caller: Caller) -> Json<Account> {
    Json(Account {
        name: caller.token.name.clone(),
        role: caller.token.role.into(),
        app: caller.token.app.as_ref().map(ToString::to_string),
    })
}

//! The caller of a request: the holder of its token.
//!
//! Owns the rules of roles. What a token may see at all is in `visibility`. Must not know what a request is about.

use crate::addresses::PeerAddress;
use crate::failure::ApiFailure;
use crate::state::ApiState;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use control::access::{Role, Token};
use control::{Actor, LedgerView};
use grid::desired::App;
use grid::name::AppName;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::time::Instant;

/// The token of a request, and the state of the ledger at the moment of the request.
pub(crate) struct Caller {
    pub(crate) token: Token,
    pub(crate) view: Arc<LedgerView>,
}

impl Caller {
    /// Refuses a caller with a lesser role.
    pub(crate) fn require_role(&self, role: Role) -> Result<(), ApiFailure> {
        if self.token.role >= role {
            return Ok(());
        }
        let own = self.token.role;
        Err(ApiFailure::forbidden(format!(
            "this needs a token with the role {role}, and yours has the role {own}"
        )))
    }

    /// Refuses a caller with a lesser role, and a caller whose token is for one app only.
    pub(crate) fn require_role_for_all_apps(&self, role: Role) -> Result<(), ApiFailure> {
        self.require_role(role)?;
        match &self.token.app {
            None => Ok(()),
            Some(app) => Err(ApiFailure::forbidden(format!(
                "this needs a token for all apps, and yours is for {app} only"
            ))),
        }
    }

    /// An app, if the caller may see it. Refuses a caller with a lesser role.
    pub(crate) fn require_app_role(&self, name: &AppName, role: Role) -> Result<&App, ApiFailure> {
        let app = self.visible_app(name)?;
        self.require_role(role)?;
        Ok(app)
    }

    /// The caller, as releases and logs name it.
    pub(crate) fn actor(&self) -> Actor {
        Actor::new(&self.token.name)
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiFailure> {
        let Some(presented) = bearer_token(&parts.headers)? else {
            return Err(unauthorized(
                "no token was sent: use the header Authorization: Bearer TOKEN, or `dyno login`",
            ));
        };
        let view = state.control.view();
        if let Some(token) = view.tokens.authenticate(presented) {
            let token = token.clone();
            return Ok(Caller { token, view });
        }
        let from = parts.extensions.get::<PeerAddress>();
        let from = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        let limiter = &state.shared.token_limiter;
        match limiter.count_wrong_token(from, Instant::now()) {
            Ok(()) => Err(unauthorized(
                "the token is not known here: it is mistyped, revoked, or another server's",
            )),
            Err(wait) => Err(ApiFailure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_failures",
                "too many wrong tokens came from your address: try again in a minute",
            )
            .retry_after(wait.as_secs().max(1))),
        }
    }
}

fn unauthorized(message: &str) -> ApiFailure {
    ApiFailure::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// The token in the `Authorization` header (RFC 6750 2.1); none without the header.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, ApiFailure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let refused = || unauthorized("the header Authorization is not `Bearer TOKEN`");
    let text = value.to_str().map_err(|_| refused())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(refused)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim()))
    } else {
        Err(refused())
    }
}

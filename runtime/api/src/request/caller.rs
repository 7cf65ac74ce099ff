//! Who asks, and what that one may do.
//!
//! Owns the rules of roles. What a token may see at all is in `visible`. Must not know what a request is about.

use crate::failure::Failure;
use crate::server::Peer;
use crate::state::State;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use control::Actor;
use control::LedgerView;
use control::access::{Role, Token};
use grid::desired::App;
use grid::name::AppName;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::time::Instant;

/// The holder of a token, and all that the ledger says at this moment.
pub(crate) struct Caller {
    pub(crate) token: Token,
    pub(crate) view: Arc<LedgerView>,
}

impl Caller {
    /// Refuses a caller with a lesser role.
    pub(crate) fn may(&self, role: Role) -> Result<(), Failure> {
        if self.token.role >= role {
            return Ok(());
        }
        let own = self.token.role;
        Err(Failure::forbidden(format!(
            "this needs a token with the role {role}, and yours has the role {own}"
        )))
    }

    /// Refuses a caller with a lesser role, or whose token is for one app only.
    pub(crate) fn may_everywhere(&self, role: Role) -> Result<(), Failure> {
        self.may(role)?;
        match &self.token.app {
            None => Ok(()),
            Some(app) => Err(Failure::forbidden(format!(
                "this needs a token for all apps, and yours is for {app} only"
            ))),
        }
    }

    /// An app that the caller may see, and change in a way that needs this role.
    pub(crate) fn may_change(&self, name: &AppName, role: Role) -> Result<&App, Failure> {
        let app = self.app(name)?;
        self.may(role)?;
        Ok(app)
    }

    /// The caller, as releases and logs name it.
    pub(crate) fn actor(&self) -> Actor {
        Actor::now(&self.token.name)
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        let Some(presented) = bearer(&parts.headers)? else {
            return Err(unauthorized(
                "no token was sent: use the header Authorization: Bearer TOKEN, or `dyno login`",
            ));
        };
        let view = state.control.view();
        if let Some(token) = view.tokens.authenticate(presented) {
            let token = token.clone();
            return Ok(Caller { token, view });
        }
        let from = parts.extensions.get::<Peer>();
        let from = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        match state.0.limiter.failed(from, Instant::now()) {
            Ok(()) => Err(unauthorized(
                "the token is not known here: it is mistyped, revoked, or another server's",
            )),
            Err(wait) => Err(Failure::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_failures",
                "too many wrong tokens came from your address: try again in a minute",
            )
            .retry_after(wait.as_secs().max(1))),
        }
    }
}

fn unauthorized(message: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// The token that was sent, if one was.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let odd = || unauthorized("the header Authorization is not `Bearer TOKEN`");
    let text = value.to_str().map_err(|_| odd())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(odd)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim()))
    } else {
        Err(odd())
    }
}

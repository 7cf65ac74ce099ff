//! The first admin token: made when a ledger has no token yet.
//!
//! The secret is shown once, and is kept nowhere.

use std::net::SocketAddr;

use control::access::{self, Role};
use control::{Actor, Control};

use crate::error::SpawnError;
use crate::observer::NodeObserver;

/// Name of the first token.
const FIRST_TOKEN_NAME: &str = "admin";

/// Makes the first admin token, unless there is a token already.
///
/// The token is shown before it is written down: a server that is killed in between makes another token at its next
/// start. The other order would lock everybody out.
pub(super) async fn create_first_token(
    control: &Control,
    observer: &dyn NodeObserver,
    api: SocketAddr,
) -> Result<(), SpawnError> {
    if !control.view().tokens.is_empty() {
        return Ok(());
    }
    let actor = Actor::new("server");
    let (token, secret) = access::mint_token(FIRST_TOKEN_NAME, Role::Admin, None);
    let shown = observer.show_first_token(secret.reveal(), api);
    shown.map_err(SpawnError::ShowToken)?;
    let written = control.create_token(token, actor, None).await;
    written.map(drop).map_err(SpawnError::WriteToken)
}

//! Creates a token while the server is stopped.
//!
//! Owns the one ledger entry that this needs. The caller holds the server's lock, so that there is no other writer;
//! if there is one, the append fails. Must not know who may create tokens.

use super::error::ReconcilerStartError;
use super::idempotency_keys::IdempotencyKeys;
use super::start::replay;
use crate::access::{self, Token};
use crate::actor::Actor;
use crate::handle::ControlError;
use crate::ledger::{EntryId, Ledger, LedgerChange, LedgerEntry};
use crate::view::LedgerView;
use std::sync::Arc;

/// The reason for which no token was created. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OfflineTokenError {
    /// The ledger cannot be read or replayed.
    #[error(transparent)]
    Start(#[from] ReconcilerStartError),
    /// The token is not valid, or cannot be written.
    #[error(transparent)]
    Refused(#[from] ControlError),
}

/// Adds a token, which is valid from the next start of the server.
pub async fn create_token_offline(
    ledger: Arc<dyn Ledger>,
    token: Token,
    actor: Actor,
) -> Result<(), OfflineTokenError> {
    let (mut view, mut keys) = (LedgerView::default(), IdempotencyKeys::default());
    replay(&*ledger, &mut view, &mut keys).await?;
    let change = access::AccessChange::TokenCreated(token);
    view.tokens
        .check_change(&change)
        .map_err(ControlError::Access)?;
    let entry = LedgerEntry {
        id: EntryId::random(),
        at_ms: actor.at_ms,
        by: actor.by,
        key: None,
        changes: vec![LedgerChange::Access(change)],
    };
    let appended = ledger.append(view.at, &entry).await;
    appended.map_err(ControlError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, mint_token};
    use crate::ledger::MemoryLedger;
    use crate::{ReconcilerOptions, start};

    #[tokio::test]
    async fn a_token_made_while_the_server_is_stopped_is_valid_after_the_next_start() {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
        let actor = Actor::now("local");
        let (token, secret) = mint_token("lost", Role::Admin, None, &actor);
        let made = create_token_offline(Arc::clone(&ledger), token.clone(), actor.clone()).await;
        made.expect("a token");
        let again = create_token_offline(Arc::clone(&ledger), token.clone(), actor).await;
        let exists = |error: &OfflineTokenError| {
            matches!(
                error,
                OfflineTokenError::Refused(ControlError::Access(access::AccessError::TokenExists(
                    _
                )))
            )
        };
        assert!(again.is_err_and(|error| exists(&error)));
        let (_reconciler, control, _outputs) = start(ledger, ReconcilerOptions::default())
            .await
            .expect("it starts");
        let view = control.view();
        assert_eq!(view.tokens.authenticate(secret.reveal()), Some(&token));
    }
}

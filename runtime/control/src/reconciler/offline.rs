//! Creates a token while the server is stopped.
//!
//! Owns the one ledger entry that this needs. The caller holds the server's lock, so that there is no other writer;
//! if there is one, the append fails. Must not know who may create tokens.

use super::error::ReconcilerStartError;
use super::idempotency_keys::IdempotencyKeys;
use super::options::LedgerClock;
use super::start::replay;
use crate::access::{self, Token, TokenSpec};
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

/// Adds a token, which is valid from the next start of the server. Returns the token as it was written.
pub async fn create_token_offline(
    ledger: Arc<dyn Ledger>,
    token: TokenSpec,
    actor: Actor,
) -> Result<Token, OfflineTokenError> {
    let (mut view, mut keys) = (LedgerView::default(), IdempotencyKeys::default());
    replay(&*ledger, &mut view, &mut keys).await?;
    let at_ms = LedgerClock::default().next_entry_ms(view.newest_ms);
    let token = token.into_token(&actor, at_ms);
    let change = access::AccessChange::TokenCreated(token.clone());
    view.tokens
        .check_change(&change)
        .map_err(ControlError::Access)?;
    let entry = LedgerEntry {
        id: EntryId::random(),
        at_ms,
        by: actor.name().to_owned(),
        key: None,
        changes: vec![LedgerChange::Access(change)],
    };
    let appended = ledger.append(view.at, &entry).await;
    appended.map_err(ControlError::from)?;
    Ok(token)
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
        let actor = Actor::new("local");
        let (spec, secret) = mint_token("lost", Role::Admin, None);
        let made = create_token_offline(Arc::clone(&ledger), spec.clone(), actor.clone()).await;
        let token = made.expect("a token");
        assert_eq!((&*token.created_by, &token.id), ("local", &spec.id));
        let again = create_token_offline(Arc::clone(&ledger), spec, actor).await;
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

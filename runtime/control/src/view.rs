//! The state that results from the entries of a ledger.
//!
//! Owns the fold over entries: the desired state, tokens, uploaded slugs and the creators of apps. Must not know
//! the observed state, nor who reads the view.

use crate::access::{self, SlugUploads, Tokens};
use crate::ledger::{LedgerChange, LedgerEntry, Seq};
use grid::desired::{DesiredState, Fact, FactError};
use grid::name::{AppName, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state after all entries up to one. Clones share the parts that did not change.
#[derive(Clone, Debug, Default)]
pub struct LedgerView {
    /// The last entry that is applied.
    pub at: Seq,
    /// The latest time of an entry that is applied, in milliseconds since 1970. Later entries get no earlier time.
    pub newest_ms: u64,
    /// The desired state of all apps.
    pub desired: DesiredState,
    /// The access tokens.
    pub tokens: Tokens,
    /// The slugs that were uploaded with tokens for one app.
    pub uploads: SlugUploads,
    origins: Arc<BTreeMap<AppName, AppOrigin>>,
    /// Whether the start of the present reconciler is applied, but not in the ledger yet.
    unwritten_start: bool,
}

/// The creation of an app: when and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppOrigin {
    /// Creation time in milliseconds since 1970.
    pub created_ms: u64,
    /// The name of the creator.
    pub created_by: String,
}

/// The outcome of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The release is published.
    Serving,
    /// The release did not start, for this reason. The earlier release keeps serving.
    Failed(String),
    /// A newer release was created before this release was published.
    Superseded(Version),
    /// The app was destroyed.
    Destroyed,
}

impl LedgerView {
    /// The creation of an app: when and by whom.
    pub fn origin(&self, app: &AppName) -> Option<&AppOrigin> {
        self.origins.get(app)
    }

    /// The outcome of a release, if it is known yet.
    pub fn outcome(&self, app: &AppName, version: Version) -> Option<ReleaseOutcome> {
        let Some(app) = self.desired.apps.get(app) else {
            return Some(ReleaseOutcome::Destroyed);
        };
        if app.serving == Some(version) {
            return Some(ReleaseOutcome::Serving);
        }
        if let Some(reason) = app.failed.get(&version) {
            return Some(ReleaseOutcome::Failed(reason.clone()));
        }
        let newest = app.newest_release().map(|release| release.version);
        newest
            .filter(|newest| *newest > version)
            .map(ReleaseOutcome::Superseded)
    }

    /// Applies the start of the present reconciler before it is in the ledger.
    pub(crate) fn apply_unwritten_start(&mut self) -> Result<(), FactError> {
        self.desired.apply_fact(&Fact::ReconcilerStarted)?;
        self.unwritten_start = true;
        Ok(())
    }

    /// Whether the next entry must begin with the start of the present reconciler.
    pub(crate) fn has_unwritten_start(&self) -> bool {
        self.unwritten_start
    }

    /// Applies the next entry. After an error the view is inconsistent and must not be used.
    pub(crate) fn apply_entry(&mut self, at: Seq, entry: &LedgerEntry) -> Result<(), FactError> {
        for change in &entry.changes {
            match change {
                // Applied before it was written: see `apply_unwritten_start`.
                LedgerChange::Fact(Fact::ReconcilerStarted) if self.unwritten_start => {
                    self.unwritten_start = false;
                }
                LedgerChange::Fact(fact) => {
                    self.desired.apply_fact(fact)?;
                    self.apply_app_change(fact, entry);
                }
                LedgerChange::Access(access::AccessChange::SlugUploaded { app, slug }) => {
                    self.uploads.record_upload(app, *slug);
                }
                LedgerChange::Access(change) => self.tokens.apply_change(change),
            }
        }
        self.at = at;
        self.newest_ms = self.newest_ms.max(entry.at_ms);
        Ok(())
    }

    fn apply_app_change(&mut self, fact: &Fact, entry: &LedgerEntry) {
        match fact {
            Fact::AppCreated { app, .. } => {
                let origin = AppOrigin {
                    created_ms: entry.at_ms,
                    created_by: entry.by.clone(),
                };
                Arc::make_mut(&mut self.origins).insert(app.clone(), origin);
            }
            Fact::AppDestroyed { app, .. } => {
                Arc::make_mut(&mut self.origins).remove(app);
                self.uploads.forget_app(app);
                self.tokens.revoke_tokens_of(app);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

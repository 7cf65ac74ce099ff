//! What the entries of a ledger come to.
//!
//! Owns the fold over entries: intent, tokens, who uploaded which slug, and who made which app. Must not know what is observed, nor
//! who asks.

use crate::access::{self, SlugUploads, Tokens};
use crate::ledger::{LedgerChange, LedgerEntry, Seq};
use grid::desired::{DesiredState, Fact, FactError};
use grid::name::{AppName, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that a ledger says, up to one entry. A clone shares what did not change.
#[derive(Clone, Debug, Default)]
pub struct LedgerView {
    /// The last entry that is in it.
    pub at: Seq,
    /// Apps, and what was decided about them.
    pub desired: DesiredState,
    /// Who may do what.
    pub tokens: Tokens,
    /// Which slugs were uploaded with a token for one app.
    pub uploads: SlugUploads,
    origins: Arc<BTreeMap<AppName, AppOrigin>>,
}

/// How an app came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppOrigin {
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Who made it.
    pub created_by: String,
}

/// What became of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// It is published.
    Serving,
    /// It did not come up, for this reason. What served before goes on serving.
    Failed(String),
    /// A newer one, this, was made before it was published.
    Superseded(Version),
    /// The app is gone.
    Destroyed,
}

impl LedgerView {
    /// How an app came to be.
    pub fn origin(&self, app: &AppName) -> Option<&AppOrigin> {
        self.origins.get(app)
    }

    /// What became of a release that was made, if that is known yet.
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

    /// Takes one more entry. After an error the view is of no use any more.
    pub(crate) fn apply(&mut self, at: Seq, entry: &LedgerEntry) -> Result<(), FactError> {
        for change in &entry.changes {
            match change {
                LedgerChange::Fact(fact) => {
                    self.desired.apply_fact(fact)?;
                    self.note_origin(fact, entry);
                }
                LedgerChange::Access(access::AccessChange::SlugUploaded { app, slug }) => {
                    self.uploads.note(app, *slug);
                }
                LedgerChange::Access(change) => self.tokens.apply(change),
            }
        }
        self.at = at;
        Ok(())
    }

    fn note_origin(&mut self, fact: &Fact, entry: &LedgerEntry) {
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
                self.uploads.forget(app);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

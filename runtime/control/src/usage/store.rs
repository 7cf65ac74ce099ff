//! What a store of dyno time promises.
//!
//! Owns the trait and its error. Must not know what a store is kept in, who measures, nor prices.

use grid::name::AppName;
use grid::time::Time;
use grid::usage::UsageInterval;
use std::error::Error;
use std::fmt;

/// Why a store could not do what was asked. Nothing was changed; it may work later.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} usage records: is the disk full, or read-only?")]
pub struct UsageError {
    /// What was tried, such as `write`.
    pub what: &'static str,
    /// What stood in the way.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Keeps records of dyno time. Its calls block.
pub trait UsageStore: fmt::Debug + Send + Sync {
    /// Keeps all of these records, or none. Of two records of one run the one that ends later stays.
    fn record(&self, records: &[UsageInterval]) -> Result<(), UsageError>;

    /// The records of one app, or of all, of which a part lies from `since` to before `until`.
    fn read(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError>;

    /// When the last record ends; the beginning of time if there is none.
    fn last(&self) -> Result<Time, UsageError>;

    /// Forgets records that ended before.
    fn forget(&self, before: Time) -> Result<(), UsageError>;
}

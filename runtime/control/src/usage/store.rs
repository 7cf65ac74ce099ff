//! The contract of a store of dyno time.
//!
//! Owns the trait and its error. Must not know any storage engine, who measures, nor prices.

use grid::name::AppName;
use grid::time::Time;
use grid::usage::UsageInterval;
use std::error::Error;
use std::fmt;

/// The reason for which a call of the store failed. Nothing was changed, and a later attempt may succeed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} usage records: is the disk full, or read-only?")]
pub struct UsageError {
    /// The verb of the failed operation, such as `write`.
    pub what: &'static str,
    /// The cause.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Stores records of dyno time. All calls block.
pub trait UsageStore: fmt::Debug + Send + Sync {
    /// Writes all of these records, or none. Of two records of one run the store keeps the one that ends later.
    fn write_records(&self, records: &[UsageInterval]) -> Result<(), UsageError>;

    /// Reads the records of one app, or of all apps, that overlap the time from `since` to before `until`.
    fn read_records(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError>;

    /// The end of the last record; zero if there are no records.
    fn last_end(&self) -> Result<Time, UsageError>;

    /// Deletes the records that ended before this time.
    fn forget_before(&self, before: Time) -> Result<(), UsageError>;
}

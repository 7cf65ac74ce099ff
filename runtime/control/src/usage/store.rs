//! Where records of dyno time are kept.
//!
//! Owns what a store promises, and the one in memory. Must not know who measures, nor prices.

use grid::name::{AppName, DynoKey};
use grid::time::Time;
use grid::usage::UsageInterval;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Keeps records as long as the process lives.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<DynoKey, UsageInterval>>);

impl Memory {
    /// No records yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<DynoKey, UsageInterval>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageStore for Memory {
    fn record(&self, records: &[UsageInterval]) -> Result<(), UsageError> {
        let mut all = self.all();
        for record in records {
            let known = all
                .entry(record.dyno.clone())
                .or_insert_with(|| record.clone());
            if record.to > known.to {
                *known = record.clone();
            }
        }
        Ok(())
    }

    fn read(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError> {
        let all = self.all();
        let wanted = all.values().filter(|record| {
            app.is_none_or(|app| record.dyno.app == *app)
                && record.to > since
                && record.from < until
        });
        Ok(wanted.cloned().collect())
    }

    fn last(&self) -> Result<Time, UsageError> {
        Ok(self
            .all()
            .values()
            .map(|record| record.to)
            .max()
            .unwrap_or_default())
    }

    fn forget(&self, before: Time) -> Result<(), UsageError> {
        self.all().retain(|_, record| record.to >= before);
        Ok(())
    }
}

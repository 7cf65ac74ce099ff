//! Records of dyno time in memory.
//!
//! Owns the records until the process ends. Must not know who measures, nor prices.

use super::store::{UsageError, UsageStore};
use grid::name::{AppName, DynoKey};
use grid::time::Time;
use grid::usage::UsageInterval;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// A store in memory, which is lost when the process ends.
#[derive(Debug, Default)]
pub struct MemoryUsageStore(Mutex<BTreeMap<DynoKey, UsageInterval>>);

impl MemoryUsageStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl UsageStore for MemoryUsageStore {
    fn write_records(&self, records: &[UsageInterval]) -> Result<(), UsageError> {
        let mut all = self.0.lock();
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

    fn read_records(
        &self,
        app: Option<&AppName>,
        since: Time,
        until: Time,
    ) -> Result<Vec<UsageInterval>, UsageError> {
        let all = self.0.lock();
        let wanted = all.values().filter(|record| {
            app.is_none_or(|app| record.dyno.app == *app)
                && record.to > since
                && record.from < until
        });
        Ok(wanted.cloned().collect())
    }

    fn last_end(&self) -> Result<Time, UsageError> {
        Ok(self
            .0
            .lock()
            .values()
            .map(|record| record.to)
            .max()
            .unwrap_or_default())
    }

    fn forget_before(&self, before: Time) -> Result<(), UsageError> {
        self.0.lock().retain(|_, record| record.to >= before);
        Ok(())
    }
}

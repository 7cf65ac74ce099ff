//! The limits of a guest's linear memory, tables and instances.

use std::sync::Arc;

use grid::desired::Limits;
use grid::fault::Fault;
use wasmtime::ResourceLimiter;

use crate::engine::{MEMORIES_PER_DYNO_MAX, TABLES_PER_DYNO_MAX};
use crate::guest::stdio::logs::DynoLog;

/// Limits the linear memory and the tables of one guest.
pub(crate) struct MemoryLimiter {
    memory_max: usize,
    memory: usize,
    elements_max: usize,
    elements: usize,
    instances_max: usize,
    has_logged: bool,
    dyno_log: Arc<DynoLog>,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits, dyno_log: Arc<DynoLog>) -> MemoryLimiter {
        MemoryLimiter {
            memory_max: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            memory: 0,
            elements_max: limits.table_elements as usize,
            elements: 0,
            instances_max: limits.instances as usize,
            has_logged: false,
            dyno_log,
        }
    }

    /// The linear memory in use, and its limit, both in bytes.
    pub(crate) fn memory_use(&self) -> (usize, usize) {
        (self.memory, self.memory_max)
    }

    fn refuse_growth(&mut self, what: &str) -> wasmtime::Result<bool> {
        if !std::mem::replace(&mut self.has_logged, true) {
            self.dyno_log.write_fault(Fault::MemoryQuotaExceeded, what);
        }
        Ok(false)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory + desired.saturating_sub(current);
        if total > self.memory_max {
            let mib = |bytes: usize| bytes.div_ceil(1024 * 1024);
            let what = format!(
                "growth of linear memory to {} MiB refused, the limit is {} MiB",
                mib(total),
                mib(self.memory_max)
            );
            return self.refuse_growth(&what);
        }
        // Growth that the engine will refuse must not be counted. This check comes after the guest's own limit: the
        // module's own maximum is not a limit of the dyno, and reaching the dyno's limit must always be logged.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.elements + desired.saturating_sub(current);
        if total > self.elements_max {
            let what = format!(
                "growth of tables to {total} elements refused, the limit is {}",
                self.elements_max
            );
            return self.refuse_growth(&what);
        }
        // See `memory_growing`.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        TABLES_PER_DYNO_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_DYNO_MAX as usize
    }
}

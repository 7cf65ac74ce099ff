//! The running dynos with their start times, and the records that are not written yet.
//!
//! Owns how changes of dynos become intervals. Must not know clocks or stores: time is an argument.

use grid::name::DynoKey;
use grid::time::Time;
use grid::usage::UsageInterval;
use std::collections::BTreeMap;

/// Maximum number of unwritten records of ended runs. If the disk is full for long, the oldest records are dropped.
const WAITING_MAX: usize = 100_000;

/// The measurements that are not completely written yet.
#[derive(Debug, Default)]
pub(super) struct RunMeter {
    /// Running dynos: memory in bytes, and start time.
    running: BTreeMap<DynoKey, (u64, Time)>,
    ended: BTreeMap<DynoKey, UsageInterval>,
}

impl RunMeter {
    pub(super) fn start_run(&mut self, dyno: &DynoKey, memory_bytes: u64, now: Time) {
        self.running
            .entry(dyno.clone())
            .or_insert((memory_bytes, now));
    }

    pub(super) fn end_run(&mut self, dyno: &DynoKey, now: Time) {
        let Some(run) = self.running.remove(dyno) else {
            return;
        };
        if self.ended.len() >= WAITING_MAX {
            let oldest = self.ended.iter().min_by_key(|(_, record)| record.to);
            if let Some(oldest) = oldest.map(|(dyno, _)| dyno.clone()) {
                self.ended.remove(&oldest);
            }
        }
        self.ended
            .insert(dyno.clone(), new_interval(dyno, run, now));
    }

    /// The records to write: ended runs, and running dynos up to now.
    pub(super) fn unwritten_records(&self, now: Time) -> Vec<UsageInterval> {
        let running = self
            .running
            .iter()
            .map(|(dyno, run)| new_interval(dyno, *run, now));
        self.ended.values().cloned().chain(running).collect()
    }

    /// Forgets ended runs that were written.
    pub(super) fn forget_written(&mut self, records: &[UsageInterval]) {
        for record in records {
            if self.ended.get(&record.dyno) == Some(record) {
                self.ended.remove(&record.dyno);
            }
        }
    }
}

fn new_interval(dyno: &DynoKey, (memory_bytes, from): (u64, Time), to: Time) -> UsageInterval {
    let dyno = dyno.clone();
    UsageInterval {
        dyno,
        memory_bytes,
        from,
        to,
    }
}

/// Keeps the longest record of each run.
pub(super) fn keep_longest(records: Vec<UsageInterval>) -> Vec<UsageInterval> {
    let mut runs: BTreeMap<DynoKey, UsageInterval> = BTreeMap::new();
    for record in records {
        let longer = runs
            .get(&record.dyno)
            .is_none_or(|known| (record.to, record.from) > (known.to, known.from));
        if longer {
            runs.insert(record.dyno.clone(), record);
        }
    }
    runs.into_values().collect()
}

/// Cuts intervals to the time from `since` to before `until`.
pub(super) fn cut_to_period(
    records: Vec<UsageInterval>,
    since: Time,
    until: Time,
) -> Vec<UsageInterval> {
    let parts = records.into_iter().map(|record| UsageInterval {
        from: record.from.max(since),
        to: record.to.min(until),
        ..record
    });
    parts.filter(|part| part.from < part.to).collect()
}

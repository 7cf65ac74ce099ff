//! Which dynos run since when, and what is not written down yet.
//!
//! Owns how changes become intervals. Must not know clocks or stores: time is an argument.

use grid::name::DynoKey;
use grid::time::Time;
use grid::usage::UsageInterval;
use std::collections::BTreeMap;

/// Records of ended runs that wait to be written, at most: with a disk that is full for long, the oldest runs
/// are given away.
const WAITING_MAX: usize = 100_000;

/// What is measured and not yet written to its end.
#[derive(Debug, Default)]
pub(super) struct RunMeter {
    /// Dynos that run: their memory in bytes, and since when.
    running: BTreeMap<DynoKey, (u64, Time)>,
    ended: BTreeMap<DynoKey, UsageInterval>,
}

impl RunMeter {
    pub(super) fn up(&mut self, dyno: &DynoKey, memory_bytes: u64, now: Time) {
        self.running
            .entry(dyno.clone())
            .or_insert((memory_bytes, now));
    }

    pub(super) fn down(&mut self, dyno: &DynoKey, now: Time) {
        let Some(run) = self.running.remove(dyno) else {
            return;
        };
        if self.ended.len() >= WAITING_MAX {
            let oldest = self.ended.iter().min_by_key(|(_, record)| record.to);
            if let Some(oldest) = oldest.map(|(dyno, _)| dyno.clone()) {
                self.ended.remove(&oldest);
            }
        }
        self.ended.insert(dyno.clone(), interval(dyno, run, now));
    }

    /// What there is to be written: runs that ended, and those that go on, up to now.
    pub(super) fn records(&self, now: Time) -> Vec<UsageInterval> {
        let running = self
            .running
            .iter()
            .map(|(dyno, run)| interval(dyno, *run, now));
        self.ended.values().cloned().chain(running).collect()
    }

    /// Forgets runs that ended and are written.
    pub(super) fn written(&mut self, records: &[UsageInterval]) {
        for record in records {
            if self.ended.get(&record.dyno) == Some(record) {
                self.ended.remove(&record.dyno);
            }
        }
    }
}

fn interval(dyno: &DynoKey, (memory_bytes, from): (u64, Time), to: Time) -> UsageInterval {
    let dyno = dyno.clone();
    UsageInterval {
        dyno,
        memory_bytes,
        from,
        to,
    }
}

/// The longest record of each run.
pub(super) fn longest(records: Vec<UsageInterval>) -> Vec<UsageInterval> {
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

/// The parts of intervals that lie from `since` to before `until`.
pub(super) fn cut(records: Vec<UsageInterval>, since: Time, until: Time) -> Vec<UsageInterval> {
    let parts = records.into_iter().map(|record| UsageInterval {
        from: record.from.max(since),
        to: record.to.min(until),
        ..record
    });
    parts.filter(|part| part.from < part.to).collect()
}

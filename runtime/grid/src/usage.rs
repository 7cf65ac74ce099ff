//! Dyno time, and its price.
//!
//! Owns how intervals become dyno-seconds and money. Must not know how intervals are stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::{AppName, DynoId, DynoKey, ProcessType};
use crate::time::Time;

/// Seconds of an hour.
const HOUR_SECS: u64 = 3_600;

/// The time of one dyno, from its start to its end or to the time of the record.
///
/// A longer record of a run replaces a shorter one, so that repeated and later records bill no time twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageInterval {
    /// The dyno.
    pub dyno: DynoKey,
    /// Memory limit of its size, in bytes.
    pub memory_bytes: u64,
    /// When it started.
    pub from: Time,
    /// When the dyno ended, or the time of the record.
    pub to: Time,
}

/// The price of dyno time, a setting of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynoPrices {
    /// Dynos of an app that are free of charge at any moment.
    pub free_dynos: u32,
    /// The price of each further dyno, in millionths of a dollar an hour.
    pub micros_per_hour: u64,
}

impl Default for DynoPrices {
    /// The first dyno of an app is free, each further one costs $0.05 an hour.
    fn default() -> Self {
        DynoPrices {
            free_dynos: 1,
            micros_per_hour: 50_000,
        }
    }
}

/// Dyno time of one process type and size, and what an app pays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Dyno-seconds by process type and memory limit in bytes.
    pub seconds: BTreeMap<(ProcessType, u64), u64>,
    /// Dyno-seconds beyond the free dynos.
    pub billed_seconds: u64,
    /// The price in millionths of a dollar, rounded down.
    pub micros: u64,
}

impl Bill {
    /// All dyno time in seconds.
    pub fn total_seconds(&self) -> u64 {
        self.seconds.values().sum()
    }

    /// All dyno time in hours, as in `1.2583`.
    pub fn dyno_hours(&self) -> f64 {
        self.total_seconds() as f64 / HOUR_SECS as f64
    }
}

/// The bill of each app for these intervals. Order and repetition of the intervals do not matter.
///
/// Time is billed by place: while two runs of `web.1` exist at one time, as in a swap of releases or on both sides of a cut
/// network, they count once, with the size of the earlier one.
pub fn compute_bills(intervals: &[UsageInterval], prices: DynoPrices) -> BTreeMap<AppName, Bill> {
    let mut runs: BTreeMap<&DynoKey, &UsageInterval> = BTreeMap::new();
    for interval in intervals {
        let known = runs.entry(&interval.dyno).or_insert(interval);
        if (interval.to, interval.from) > (known.to, known.from) {
            *known = interval;
        }
    }
    let mut apps: BTreeMap<AppName, Vec<&UsageInterval>> = BTreeMap::new();
    for (key, interval) in runs {
        apps.entry(key.app.clone()).or_default().push(interval);
    }
    apps.into_iter()
        .map(|(app, intervals)| (app, compute_bill(&intervals, prices)))
        .collect()
}

/// A time in whole seconds, rounded down, so that the seconds of adjacent intervals add up.
fn second(time: Time) -> u64 {
    time.micros() / 1_000_000
}

fn compute_bill(intervals: &[&UsageInterval], prices: DynoPrices) -> Bill {
    let mut bill = Bill::default();
    let mut edges: BTreeMap<u64, i64> = BTreeMap::new();
    let mut in_order: Vec<(u64, u64, &UsageInterval)> = intervals
        .iter()
        .map(|interval| {
            let to = second(interval.to.max(interval.from));
            (second(interval.from), to, *interval)
        })
        .collect();
    in_order.sort_by_key(|(from, to, interval)| (*from, *to, interval.dyno.run));
    // Until when each place is billed already.
    let mut billed_until: BTreeMap<&DynoId, u64> = BTreeMap::new();
    for (from, to, interval) in in_order {
        let until = billed_until.entry(&interval.dyno.dyno).or_default();
        let from = from.max(*until);
        let to = from.max(to);
        *until = to;
        let size = (interval.dyno.dyno.process.clone(), interval.memory_bytes);
        *bill.seconds.entry(size).or_default() += to - from;
        *edges.entry(from).or_default() += 1;
        *edges.entry(to).or_default() -= 1;
    }
    let (mut running, mut since) = (0i64, 0u64);
    for (at, change) in edges {
        let beyond = u64::try_from(running - i64::from(prices.free_dynos)).unwrap_or(0);
        bill.billed_seconds += (at - since) * beyond;
        running += change;
        since = at;
    }
    bill.micros = bill.billed_seconds.saturating_mul(prices.micros_per_hour) / HOUR_SECS;
    bill
}

#[cfg(test)]
mod tests;

//! Tests of dyno time and its price.

use proptest::prelude::*;

use super::*;
use crate::name::Run;

fn interval(index: u32, run: u64, from: u64, to: u64) -> UsageInterval {
    let dyno = DynoId {
        process: ProcessType::web(),
        index,
    };
    let app = "hello".parse().expect("valid");
    UsageInterval {
        dyno: DynoKey {
            app,
            dyno,
            run: Run(run),
        },
        memory_bytes: 128 << 20,
        from: Time::from_secs(from),
        to: Time::from_secs(to),
    }
}

fn of(intervals: &[UsageInterval]) -> Bill {
    let mut bills = compute_bills(intervals, DynoPrices::default());
    bills.pop_first().map(|(_, bill)| bill).unwrap_or_default()
}

#[test]
fn a_bill_counts_the_seconds_that_a_dyno_ran() {
    let bill = of(&[interval(1, 1, 0, 75 * 60 + 30)]);
    assert_eq!(format!("{:.4}", bill.dyno_hours()), "1.2583");
    assert_eq!(bill.micros, 0, "the first dyno is free");
}

#[test]
fn four_dynos_for_an_hour_cost_fifteen_cents() {
    let four: Vec<_> = (1..=4)
        .map(|index| interval(index, u64::from(index), 0, 3_600))
        .collect();
    assert_eq!(of(&four).micros, 150_000);
}

#[test]
fn a_replaced_dyno_costs_as_one() {
    let bill = of(&[interval(1, 1, 0, 1_800), interval(1, 2, 1_800, 3_600)]);
    assert_eq!((bill.total_seconds(), bill.micros), (3_600, 0));
}

#[test]
fn two_runs_of_one_place_at_one_time_cost_as_one() {
    let swap = [interval(1, 1, 0, 100), interval(1, 2, 70, 200)];
    assert_eq!(of(&swap).total_seconds(), 200);
    let cut = [
        interval(2, 1, 0, 1_000),
        interval(2, 5, 300, 600),
        interval(1, 2, 0, 1_000),
    ];
    let bill = of(&cut);
    assert_eq!((bill.total_seconds(), bill.billed_seconds), (2_000, 1_000));
    let gap = [interval(1, 1, 0, 100), interval(1, 2, 150, 200)];
    assert_eq!(of(&gap).total_seconds(), 150);
}

proptest! {
    #[test]
    fn repeated_and_reordered_records_change_no_bill(
        spans in prop::collection::vec((1u32..5, 0u64..10_000, 0u64..10_000), 0..12),
    ) {
        let numbered = spans.into_iter().enumerate();
        let all: Vec<_> = numbered
            .map(|(run, (index, from, length))| interval(index, run as u64, from, from + length))
            .collect();
        // An earlier, shorter record of the same run is replaced.
        let earlier = all.iter().map(|i| UsageInterval { to: i.from, ..i.clone() });
        let mut repeated: Vec<_> = all.iter().cloned().chain(earlier).collect();
        repeated.extend(all.iter().rev().cloned());
        repeated.reverse();
        prop_assert_eq!(of(&all), of(&repeated));
    }

    #[test]
    fn only_dyno_time_beyond_the_free_dyno_is_billed(
        spans in prop::collection::vec((0u64..300, 0u64..300), 0..8),
    ) {
        let numbered = spans.iter().enumerate();
        let all: Vec<_> =
            numbered.map(|(n, (from, length))| interval(n as u32, n as u64, *from, from + length)).collect();
        let slow: u64 = (0..600u64)
            .map(|t| spans.iter().filter(|(from, n)| *from <= t && t < from + n).count() as u64)
            .map(|running| running.saturating_sub(1))
            .sum();
        prop_assert_eq!(of(&all).billed_seconds, slow);
    }
}

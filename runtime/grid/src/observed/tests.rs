//! The observed state: reports that are late, repeated or out of order change nothing.

use proptest::prelude::*;

use super::*;
use crate::name::Version;
use crate::protocol::{Inventory, InventoryDyno, Report, Step, StopReason};

/// The release of every dyno here.
const RELEASE: ReleaseId = ReleaseId {
    creation: 1,
    version: Version::FIRST,
};

fn node() -> NodeId {
    "n1".parse().expect("valid")
}

fn key(run: u64) -> DynoKey {
    let (app, dyno) = (
        "hello".parse().expect("valid"),
        "web.1".parse().expect("valid"),
    );
    DynoKey {
        app,
        dyno,
        run: Run(run),
    }
}

fn inventory(incarnation: u64, last_run: u64, dynos: &[(u64, bool)]) -> Report {
    let dynos = dynos.iter().map(|&(run, up)| InventoryDyno {
        dyno: key(run),
        release: RELEASE,
        state: if up {
            DynoState::Up
        } else {
            DynoState::Starting
        },
        memory_bytes: 1,
    });
    let dynos = dynos.collect();
    let base = Inventory::new_local(node(), 1 << 30, 100);
    Report::Node(Inventory {
        incarnation,
        last_run: Run(last_run),
        dynos,
        ..base
    })
}

fn start(run: u64) -> Step {
    Step::Start {
        node: node(),
        dyno: key(run),
        release: RELEASE,
        asleep: false,
    }
}

/// A reconciler with one node and these starts asked.
fn observed(reconcilers: u64, runs: &[u64]) -> ObservedState {
    let desired = DesiredState {
        reconcilers,
        ..DesiredState::default()
    };
    let mut observed = ObservedState::new(&desired, 1, Time::ZERO);
    observed.apply_report(&inventory(0, 0, &[]), Time::ZERO);
    for &run in runs {
        observed.issue_step(&start(run), &desired, Time::ZERO);
    }
    observed
}

fn state(observed: &ObservedState, run: u64) -> Option<DynoState> {
    observed.dynos.get(&key(run)).map(|dyno| dyno.state)
}

fn crashed(run: u64, cause: CrashCause) -> Report {
    Report::Crashed {
        node: node(),
        dyno: key(run),
        reason: "trap".into(),
        cause,
        served: false,
        in_request: false,
    }
}

#[test]
fn a_start_takes_the_next_run() {
    let observed = observed(1, &[1, 2]);
    assert_eq!(observed.next_run, Run(3));
    assert_eq!(observed.dynos_in(&key(1).app, &key(1).dyno).count(), 2);
    assert_eq!(observed.dynos_of(&key(1).app).count(), 2);
    assert_eq!(
        observed.dynos_of(&"hellp".parse().expect("valid")).count(),
        0
    );
}

#[test]
fn a_late_up_report_does_not_revive_a_dyno() {
    let mut observed = observed(1, &[1]);
    let up = Report::Up {
        node: node(),
        dyno: key(1),
    };
    assert_eq!(observed.apply_report(&up, Time::ZERO).len(), 1);
    assert_eq!(observed.apply_report(&up, Time::ZERO).len(), 0, "twice");
    observed.apply_report(
        &Report::Down {
            node: node(),
            dyno: key(1),
        },
        Time::ZERO,
    );
    observed.apply_report(&up, Time::ZERO);
    observed.apply_report(&inventory(0, 1, &[(1, true)]), Time::ZERO);
    assert_eq!(state(&observed, 1), None);
}

#[test]
fn a_repeated_crash_counts_once() {
    let mut observed = observed(1, &[1]);
    let changes = observed.apply_report(&crashed(1, CrashCause::Trap), Time::ZERO);
    assert_eq!(changes[0].crash, Some((CrashCause::Trap, "trap".into())));
    observed.apply_report(&crashed(1, CrashCause::Trap), Time::ZERO);
    assert_eq!(
        observed
            .crashes
            .values()
            .map(|history| history.crashes)
            .collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn a_discarded_dyno_leaves_no_crash_history() {
    let mut observed = observed(1, &[1]);
    observed.apply_report(&crashed(1, CrashCause::Discarded), Time::ZERO);
    assert!(observed.crashes.is_empty() && observed.dynos.is_empty());
}

#[test]
fn a_boot_timeout_counts_once_even_if_the_node_reports_a_crash() {
    let mut observed = observed(1, &[1]);
    let stop = Step::Stop {
        node: node(),
        dyno: key(1),
        release: RELEASE,
        reason: StopReason::BootTimeout,
    };
    observed.issue_step(&stop, &DesiredState::default(), Time::ZERO);
    assert_eq!(
        state(&observed, 1),
        Some(DynoState::Crashed),
        "its memory is not free yet"
    );
    observed.apply_report(&crashed(1, CrashCause::BootTimeout), Time::ZERO);
    assert_eq!(state(&observed, 1), None);
    assert_eq!(
        observed
            .crashes
            .values()
            .map(|history| history.crashes)
            .collect::<Vec<_>>(),
        [1]
    );
}

/// Reports a dyno as up at one time, and its end at another time.
fn up_until(observed: &mut ObservedState, run: u64, up: u64, end: &Report, at: u64) {
    let dyno = key(run);
    let report = Report::Up { node: node(), dyno };
    observed.apply_report(&report, Time::from_secs(up));
    observed.apply_report(end, Time::from_secs(at));
}

fn crashed_in_request(run: u64) -> Report {
    let mut report = crashed(run, CrashCause::Trap);
    if let Report::Crashed { in_request, .. } = &mut report {
        *in_request = true;
    }
    report
}

fn boot_timeout(run: u64) -> Step {
    Step::Stop {
        node: node(),
        dyno: key(run),
        release: RELEASE,
        reason: StopReason::BootTimeout,
    }
}

#[test]
fn a_run_that_was_up_for_the_last_wait_clears_the_history_however_it_ends() {
    let down = Report::Down {
        node: node(),
        dyno: key(3),
    };
    let gone = crashed(3, CrashCause::Discarded);
    for end in [crashed_in_request(3), down, gone, inventory(0, 3, &[])] {
        for (up, crashes) in [(9, Some(2)), (10, None)] {
            let mut observed = observed(1, &[1]);
            for run in 1..3 {
                observed.apply_report(&crashed(run, CrashCause::Boot), Time::from_secs(run));
                observed.issue_step(
                    &start(run + 1),
                    &DesiredState::default(),
                    Time::from_secs(run),
                );
            }
            up_until(&mut observed, 3, 20, &end, 20 + up);
            let histories = observed.crashes.values();
            assert_eq!(histories.map(|h| h.crashes).next(), crashes, "{end:?}");
        }
    }
}

/// During a swap, two runs share one place of the formation.
#[test]
fn the_end_of_a_run_does_not_clear_crashes_of_a_later_run() {
    let mut observed = observed(1, &[1, 2]);
    let up = Report::Up {
        node: node(),
        dyno: key(1),
    };
    observed.apply_report(&up, Time::ZERO);
    observed.apply_report(&crashed(2, CrashCause::Boot), Time::from_secs(50));
    observed.apply_report(&crashed_in_request(1), Time::from_secs(100));
    assert_eq!(observed.crashes.len(), 1);
}

#[test]
fn a_boot_timeout_counts_unless_the_dyno_replaces_one_ended_by_a_request() {
    let desired = DesiredState::default();
    let mut observed = observed(1, &[1]);
    up_until(&mut observed, 1, 0, &crashed_in_request(1), 1);
    // Applies repeatedly, as long as no boot succeeds.
    for run in 2..5 {
        observed.issue_step(&start(run), &desired, Time::from_secs(run));
        let change = observed.issue_step(&boot_timeout(run), &desired, Time::from_secs(70));
        assert_eq!(change.expect("news").to, DynoState::Crashed);
        assert!(observed.crashes.is_empty());
    }
    observed.issue_step(&start(5), &desired, Time::from_secs(80));
    up_until(&mut observed, 5, 81, &crashed(5, CrashCause::Discarded), 82);
    observed.issue_step(&start(6), &desired, Time::from_secs(90));
    observed.issue_step(&boot_timeout(6), &desired, Time::from_secs(150));
    assert_eq!(observed.crashes.len(), 1);
}

#[test]
fn an_inventory_ends_unlisted_dynos_except_newer_ones() {
    let mut observed = observed(1, &[1, 2]);
    observed.apply_report(&inventory(0, 1, &[]), Time::ZERO);
    assert_eq!(
        (state(&observed, 1), state(&observed, 2)),
        (None, Some(DynoState::Starting))
    );
}

#[test]
fn a_restarted_node_has_no_dynos() {
    let mut observed = observed(1, &[1, 2]);
    observed.apply_report(&inventory(5, 0, &[]), Time::ZERO);
    assert!(observed.dynos.is_empty());
    observed.apply_report(&inventory(4, 2, &[(2, true)]), Time::ZERO);
    assert!(
        observed.dynos.is_empty(),
        "an earlier incarnation says nothing"
    );
}

#[test]
fn dynos_of_an_earlier_reconciler_are_taken_over_once() {
    let mut observed = observed(2, &[]);
    assert!(
        observed
            .apply_report(&inventory(0, 1, &[(1, true)]), Time::ZERO)
            .is_empty()
    );
    assert_eq!(state(&observed, 1), Some(DynoState::Up));
    observed.apply_report(
        &Report::Down {
            node: node(),
            dyno: key(1),
        },
        Time::ZERO,
    );
    observed.apply_report(&inventory(0, 1, &[(1, true)]), Time::ZERO);
    assert_eq!(state(&observed, 1), None);
}

#[test]
fn reports_about_dynos_of_another_node_are_ignored() {
    let mut observed = observed(1, &[1]);
    let other: NodeId = "n2".parse().expect("valid");
    observed.apply_report(
        &Report::Node(Inventory::new_local(other.clone(), 1, 1)),
        Time::ZERO,
    );
    observed.apply_report(
        &Report::Up {
            node: other,
            dyno: key(1),
        },
        Time::ZERO,
    );
    assert_eq!(state(&observed, 1), Some(DynoState::Starting));
}

#[test]
fn a_silent_node_is_dead_only_if_heartbeats_are_expected() {
    let mut observed = observed(1, &[]);
    let node = observed.nodes.get_mut(&node()).expect("known");
    assert!(!node.is_silent(Time::from_secs(1_000)));
    node.heartbeats = Heartbeats::Expected;
    assert!(!node.is_silent(Time::from_millis(2_999)));
    assert!(node.is_silent(Time::from_secs(3)));
}

fn any_report() -> impl Strategy<Value = Report> {
    let run = 1u64..6;
    let dynos = prop::collection::vec((1u64..6, any::<bool>()), 0..3);
    prop_oneof![
        run.clone().prop_map(|run| Report::Up {
            node: node(),
            dyno: key(run)
        }),
        run.clone().prop_map(|run| Report::Idle {
            node: node(),
            dyno: key(run)
        }),
        run.clone().prop_map(|run| Report::Woke {
            node: node(),
            dyno: key(run)
        }),
        run.clone().prop_map(|run| Report::Down {
            node: node(),
            dyno: key(run)
        }),
        run.clone().prop_map(|run| crashed(run, CrashCause::Trap)),
        run.prop_map(|run| crashed(run, CrashCause::Discarded)),
        (0u64..3, 0u64..6, dynos).prop_map(|(born, last, dynos)| inventory(born, last, &dynos)),
    ]
}

proptest! {
    /// The second copy of a report causes no event.
    #[test]
    fn repeated_reports_change_nothing(
        reports in prop::collection::vec(any_report(), 0..12), reconcilers in 1u64..3,
    ) {
        let mut once = observed(reconcilers, &[1, 2, 3]);
        let mut twice = once.clone();
        for report in &reports {
            once.apply_report(report, Time::from_secs(1));
            twice.apply_report(report, Time::from_secs(1));
            prop_assert!(twice.apply_report(report, Time::from_secs(1)).is_empty());
        }
        prop_assert_eq!(once, twice);
    }

    /// No sequence of reports makes an ended dyno serve again.
    #[test]
    fn ended_dynos_never_serve_again(reports in prop::collection::vec(any_report(), 0..20)) {
        let mut observed = observed(1, &[1, 2, 3]);
        let mut ended = BTreeSet::new();
        for report in &reports {
            for change in observed.apply_report(report, Time::ZERO) {
                prop_assert!(!(ended.contains(&change.dyno) && change.to.is_alive()), "{change:?}");
                if !change.to.is_alive() {
                    ended.insert(change.dyno);
                }
            }
            for key in &ended {
                prop_assert!(!observed.dynos.get(key).is_some_and(|dyno| dyno.state.is_alive()));
            }
        }
    }
}

proptest! {
    /// A report without news changes at most the time at which its node was last heard.
    #[test]
    fn reports_without_news_change_nothing(
        reports in prop::collection::vec(any_report(), 1..12), reconcilers in 1u64..3,
    ) {
        let mut observed = observed(reconcilers, &[1, 2, 3]);
        for report in &reports {
            let before = observed.clone();
            let news = observed.is_news(report, Time::ZERO);
            observed.apply_report(report, Time::ZERO);
            prop_assert!(news || before == observed, "{report:?}");
        }
    }
}

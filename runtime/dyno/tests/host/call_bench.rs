//! The costs of a dyno without sockets and routing: a call of a ready dyno, a boot, a wake-up.
//!
//! Measures the well-behaved test guests of WASI 0.2 and 0.3. Set `DYNO_TEST_GUESTS` to their folder if they are
//! built already.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros make public functions; a bench may fail as a test does"
)]

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use exchange::DynoHandle;
use grid::protocol::{Report, Step, StopReason};
use support::{Host, ask, get};
use tokio::runtime::Runtime;

/// The label and the name of each guest.
const GUESTS: [(&str, &str); 2] = [("WASI 0.2", "good"), ("WASI 0.3", "good3")];
/// A request with a response of one line.
const PATH: &str = "/count";

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call of a ready guest");
    let runtime = runtime();
    for (name, guest) in GUESTS {
        let mut host = runtime.block_on(Host::new(guest));
        let mut dyno = Some(runtime.block_on(host.up()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let called = ask(dyno.take().unwrap(), get(PATH));
                let (back, reply) = runtime.block_on(called);
                assert_eq!(reply.status(), 200);
                dyno = back;
            });
        });
    }
    group.finish();
}

fn boots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("boot, from the step to the report");
    let runtime = runtime();
    for (name, guest) in GUESTS {
        let mut host = runtime.block_on(Host::new(guest));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let boot = |_| runtime.block_on(boot(&mut host));
                (0..count).map(boot).sum()
            });
        });
    }
    group.finish();
}

/// Starts a dyno and stops it. Returns the duration of the start.
async fn boot(host: &mut Host) -> Duration {
    let began = Instant::now();
    let (dyno, report) = host.start().await;
    let took = began.elapsed();
    assert!(matches!(report, Report::Up { .. }), "{report:?}");
    host.node.step(Step::Stop {
        node: "local".parse().unwrap(),
        dyno,
        release: support::RELEASE,
        reason: StopReason::Unwanted,
    });
    let report = host.report().await;
    assert!(matches!(report, Report::Down { .. }), "{report:?}");
    took
}

fn wakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call of a sleeping guest");
    let runtime = runtime();
    for (name, guest) in GUESTS {
        let mut host = runtime.block_on(Host::new(guest));
        let mut dyno = Some(runtime.block_on(host.up()));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let mut took = Duration::ZERO;
                for _ in 0..count {
                    let mut asleep = dyno.take().unwrap();
                    asleep.sleep();
                    let began = Instant::now();
                    let (back, reply) = runtime.block_on(ask(asleep, get(PATH)));
                    took += began.elapsed();
                    assert_eq!(reply.status(), 200);
                    dyno = back;
                    // Discards the reports `Idle` and `Woke`.
                    for _ in 0..2 {
                        runtime.block_on(host.report());
                    }
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, calls, boots, wakes);
criterion_main!(benches);

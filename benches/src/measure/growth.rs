//! The growth of an idle server's resources over a load.
//!
//! Owns the figures and their gate. Must not know the load.

use std::time::Duration;

use anyhow::Result;

use crate::machine::process::ProcessResources;
use crate::measure::MIB;
use crate::product::dyno_serve::{DynoServe, MetricValues};
use crate::report::document::ScenarioOutcome;

/// How long the server rests before what it holds is looked at: longer than a guest may go on after its
/// client hung up, than the slow requests, and than threads for blocking work wait for more of it (10 s
/// with tokio).
pub(crate) const REST: Duration = Duration::from_secs(12);
/// The largest growth that is allowed, in per cent of the value after the warm-up.
const GROWTH_MAX: f64 = 5.0;

/// The resources that the server holds while it is idle.
pub(crate) struct ResourceReading {
    held: ProcessResources,
    numbers: MetricValues,
}

impl ResourceReading {
    /// Waits until the server is idle, and reads its resources.
    pub(crate) fn after_rest(serve: &DynoServe) -> Result<ResourceReading> {
        std::thread::sleep(REST);
        Ok(ResourceReading {
            held: serve.server.holdings()?,
            numbers: serve.numbers()?,
        })
    }
}

/// Adds what there was at first and at last, and the growth.
pub(crate) fn add(
    outcome: &mut ScenarioOutcome,
    (begin, called): (&ResourceReading, &str),
    end: &ResourceReading,
) {
    type Figure = (&'static str, &'static str, fn(&ResourceReading) -> f64);
    let figures: [Figure; 8] = [
        ("PSS", "MiB", |look| look.held.pss_bytes as f64 / MIB),
        ("RSS", "MiB", |look| look.held.rss_bytes as f64 / MIB),
        ("descriptors", "", |look| look.held.descriptors as f64),
        ("threads", "", |look| look.held.threads as f64),
        ("memory maps", "", |look| look.held.maps as f64),
        ("calls that run", "", |look| {
            look.numbers.value("dyno_router_calls")
        }),
        ("connections", "", |look| {
            look.numbers.value("dyno_router_connections")
        }),
        ("log lines kept", "MiB", |look| {
            look.numbers.value("dyno_log_bytes") / MIB
        }),
    ];
    for (name, unit, figure) in figures {
        let (first, last) = (figure(begin), figure(end));
        outcome.add(called, name, unit, vec![first]);
        outcome.add("at the end", name, unit, vec![last]);
        // Of nothing, nothing may be left.
        let growth = match first {
            0.0 => last * 100.0,
            first => (last - first) / first * 100.0,
        };
        let grown = outcome.add("growth, %", name, unit, vec![growth]);
        if name != "log lines kept" {
            grown.gate(GROWTH_MAX);
        }
    }
}

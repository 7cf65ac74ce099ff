//! `soak1m`: a million requests on one dyno; what the process holds must not grow.
//!
//! The dyno's resource table cannot be seen from outside. An entry that a request left there would
//! take 16 bytes or more, 14 MiB in all, and so would show as memory.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::{BenchOptions, Scenario};
use crate::load::closed_loop::{self, LoadEnd};
use crate::machine::process::ProcessResources;
use crate::measure::{FigureReader, MIB, page, target};
use crate::product::binary::MeasuredBinary;
use crate::product::child_server::LogTarget;
use crate::report::document::ScenarioOutcome;

/// Looks at the process during the run. The time before the first is the warm-up.
const LOOKS: u64 = 10;

/// Lines of the log that tell of lines that were lost: those waited in memory before.
const LOSSES: &str = " lines dropped";

/// Growth of memory after the warm-up, in MiB.
const GROWTH_MIB_MAX: f64 = 1.0;

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let step = options.requests / LOOKS;
    let how = format!(
        "{} requests of GET / to one dyno over {} keep-alive connections, log read; what the process holds, \
         every {step} requests; growth is from the first look ({step} requests) to the last, and from the middle \
         one to the last",
        step * LOOKS,
        options.connections
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Soak, how);
    let server = product.app(1, LogTarget::Kept(LOSSES))?;
    outcome.commands.push(server.command.clone());
    let target = target(&server, &page(&server)?);
    let mut looks = vec![server.holdings()?];
    let mut rates = Vec::new();
    for look in 1..=LOOKS {
        let tally = closed_loop::run(&target, options.connections, LoadEnd::Requests(step))
            .with_context(|| {
                format!("between {} and {} requests", step * (look - 1), step * look)
            })?;
        rates.push(tally.requests as f64 / tally.elapsed.as_secs_f64());
        looks.push(server.holdings()?);
    }
    add_figures(&mut outcome, &looks);
    outcome
        .add("in all", "requests a second", "", rates)
        .series();
    let losses = server.lines_when(Duration::ZERO, |_| true)?;
    let lost = losses.iter().fold(0.0, |sum, line| sum + lost(line));
    outcome.add("in all", "log lines lost", "", vec![lost]);
    Ok(outcome)
}

fn add_figures(outcome: &mut ScenarioOutcome, looks: &[ProcessResources]) {
    let figures: [FigureReader<ProcessResources>; 5] = [
        ("PSS", "MiB", |held| held.pss_bytes as f64 / MIB),
        ("RSS", "MiB", |held| held.rss_bytes as f64 / MIB),
        ("descriptors", "", |held| held.descriptors as f64),
        ("threads", "", |held| held.threads as f64),
        ("memory maps", "", |held| held.maps as f64),
    ];
    for (name, unit, figure) in figures {
        let series: Vec<f64> = looks.iter().map(figure).collect();
        let at = |index: usize| series.get(index).copied().unwrap_or(f64::NAN);
        let last = at(series.len().saturating_sub(1));
        outcome.add("before", name, unit, vec![at(0)]);
        outcome.add("after a tenth", name, unit, vec![at(1)]);
        outcome.add("at the end", name, unit, vec![last]);
        let growth = outcome.add("growth", name, unit, vec![last - at(1)]);
        if unit == "MiB" {
            growth.gate(GROWTH_MIB_MAX);
        }
        let middle = at(series.len() / 2);
        outcome.add("second half", name, unit, vec![last - middle]);
        outcome.add("in all", name, unit, series).series();
    }
}

/// The number in a line such as `… -> 12 lines dropped`.
fn lost(line: &str) -> f64 {
    let count = line
        .strip_suffix(LOSSES)
        .and_then(|head| head.rsplit(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_lines_are_counted() {
        let line =
            "2026-11-18T11:06:40Z dyno[api]: Error L11 (Tail buffer overflow) -> 12 lines dropped";
        assert_eq!(lost(line), 12.0);
        assert_eq!(lost("nothing"), 0.0);
    }
}

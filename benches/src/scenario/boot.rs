//! `boot`: how long a dyno takes from `starting` to `up`, by the product's own log.
//!
//! Alone: a dyno whose guest is made to trap is started again at once, while nothing else happens.
//! At once: the first dynos of a release, which wait for each other's cores.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::args::{BenchOptions, Scenario};
use crate::load::closed_loop;
use crate::measure::page;
use crate::product::binary::MeasuredBinary;
use crate::product::boot_times::{self, BootTime, STATE_CHANGED};
use crate::product::child_server::{ChildServer, LogTarget};
use crate::report::document::ScenarioOutcome;
use crate::report::statistics::quantile;

/// A test guest that answers at `/ok` and traps at every other path.
const TRAPPING: &str = "trap";
/// Starts alone.
const ALONE: usize = 100;
/// How long dynos may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// From `starting` to `up`, the middle one, in µs.
const P50_MICROS_MAX: f64 = 200.0;
/// The same, of 99 in a hundred.
const P99_MICROS_MAX: f64 = 1_000.0;

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let how = format!(
        "from the line `State changed from … to starting` to the line `… starting to up` of the same dyno: times \
         from log timestamps, which the log's own task takes a moment after the fact; rounds: {}; alone: {ALONE} \
         restarts in a row after a trap, in each round",
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Boot, how);
    let guest = product.guest(TRAPPING);
    if let Err(error) = &guest {
        eprintln!("boot: starts alone are left out: {error:#}");
    }
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for round in 0..options.repeats {
        if let Ok(guest) = &guest {
            let server = product.local(guest, 1, LogTarget::Kept(STATE_CHANGED), "/ok")?;
            alone.push(one_by_one(&server).context("while a dyno was restarted")?);
            note_command(&mut outcome, round, &server);
        }
        let server = product.app(options.boots, LogTarget::Kept(STATE_CHANGED))?;
        together.push(at_once(&server, options.boots)?);
        note_command(&mut outcome, round, &server);
    }
    if !alone.is_empty() {
        add_figures(&mut outcome, "alone", &alone, BootGates::Yes);
    }
    let subject = format!("{} at once", options.boots);
    add_figures(&mut outcome, &subject, &together, BootGates::No);
    let span = together.iter().map(|boots| boot_times::span_micros(boots));
    let share = |span: f64| span / f64::from(options.boots);
    outcome.add(
        &subject,
        "first starting to last up",
        "µs",
        span.clone().collect(),
    );
    outcome.add(
        &subject,
        "that, for each dyno",
        "µs",
        span.map(share).collect(),
    );
    Ok(outcome)
}

fn note_command(outcome: &mut ScenarioOutcome, round: u32, server: &ChildServer) {
    if round == 0 {
        outcome.commands.push(server.command.clone());
    }
}

/// Makes the dyno trap repeatedly, and waits each time until it is up again.
fn one_by_one(server: &ChildServer) -> Result<Vec<BootTime>> {
    for number in 1..=ALONE {
        let ok = closed_loop::fetch(server.address, "/ok", "")?;
        ensure!(
            ok.status == 200,
            "/ok is answered with status {}",
            ok.status
        );
        let trapped = closed_loop::fetch(server.address, "/", "")?;
        ensure!(
            trapped.status >= 500,
            "a trap is answered with status {}",
            trapped.status
        );
        wait_for_boots(server, number + 1)?;
    }
    // Without the first, which is that of the whole release.
    Ok(wait_for_boots(server, ALONE + 1)?.split_off(1))
}

fn at_once(server: &ChildServer, dynos: u32) -> Result<Vec<BootTime>> {
    let boots = wait_for_boots(server, dynos as usize)?;
    // All of it was in vain if they do not answer.
    page(server)?;
    Ok(boots)
}

/// Waits for a number of boots, and returns them.
fn wait_for_boots(server: &ChildServer, count: usize) -> Result<Vec<BootTime>> {
    // Each boot logs two lines: fewer lines need not be parsed.
    let enough =
        |lines: &[String]| lines.len() >= 2 * count && boot_times::boots(lines).len() >= count;
    Ok(boot_times::boots(&server.lines_when(PATIENCE, enough)?))
}

/// Whether the gates are meant for what was measured.
#[derive(PartialEq)]
enum BootGates {
    Yes,
    No,
}

fn add_figures(
    outcome: &mut ScenarioOutcome,
    subject: &str,
    rounds: &[Vec<BootTime>],
    gates: BootGates,
) {
    let quantiles = [
        ("p50", 0.5, Some(P50_MICROS_MAX)),
        ("p99", 0.99, Some(P99_MICROS_MAX)),
        ("longest", 1.0, None),
    ];
    for (name, share, at_most) in quantiles {
        let of = |boots: &Vec<BootTime>| {
            let micros: Vec<f64> = boots.iter().map(BootTime::micros).collect();
            quantile(&micros, share)
        };
        let figure = outcome.add(subject, name, "µs", rounds.iter().map(of).collect());
        if let Some(at_most) = at_most.filter(|_| gates == BootGates::Yes) {
            figure.gate(at_most);
        }
    }
}

//! `soak`: minutes of mixed load with failing requests; no resource that the server holds may grow.
//!
//! Four apps on one server: one that works, one whose guest traps, one whose requests take too long, and one whose
//! clients hang up. The server's resources are read while it is idle, before and after.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::args::{BenchOptions, Scenario};
use crate::load::misuse::{self, Misbehaviour};
use crate::machine::process::ProcessResources;
use crate::measure::growth::{self, REST, ResourceReading};
use crate::measure::{MIB, answers};
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, MetricValues, SlugFile};
use crate::report::document::ScenarioOutcome;

/// Parts of the time. The first is the warm-up: logs and caches fill.
const PARTS: u32 = 10;
/// How long the dynos may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);
/// An app, its dynos, and how its clients behave.
const APPS: [(&str, u32, Misbehaviour, usize); 5] = [
    ("works", 4, Misbehaviour::Mixed, 16),
    ("traps", 2, Misbehaviour::Traps, 2),
    ("too-slow", 2, Misbehaviour::TooSlow, 3),
    ("left", 2, Misbehaviour::HangsUp, 4),
    ("half", 2, Misbehaviour::StopsHalfway, 4),
];

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let minutes = options.minutes;
    let how = format!(
        "{minutes} min of load on dyno serve: small and large pages, bodies that come back and short waits on an app \
         that works; GET /trap; requests of 3 s where 1 s is allowed; clients that leave before the answer, in the \
         middle of it, and in the middle of a request; what the server holds after a rest of {} s: after a tenth of \
         the time, and at the end; growth in per cent of the former",
        REST.as_secs()
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Endure, how);
    let serve = DynoServe::start(product, &["--idle-after", "off"])?;
    outcome.commands.push(serve.server.command.clone());
    deploy_apps(&serve, product)?;
    let part = Duration::from_secs(minutes * 60) / PARTS;
    let mut series = Vec::new();
    let mut counts = vec![SoakCounts::default(); APPS.len()];
    let begin = load_and_rest(&serve, part, 1, &mut counts, &mut series)?;
    let end = load_and_rest(&serve, part, PARTS - 1, &mut counts, &mut series)?;
    add_figures(&mut outcome, &begin, &end, &series);
    add_clients(&mut outcome, &counts);
    answers(&serve, APPS[0].0)?;
    Ok(outcome)
}

fn add_clients(outcome: &mut ScenarioOutcome, counts: &[SoakCounts]) {
    let subject = "clients";
    for ((app, ..), counts) in APPS.iter().zip(counts) {
        let name = format!("requests, {app}");
        outcome.add(subject, &name, "", vec![counts.asked as f64]);
    }
    let wrong: u64 = counts.iter().map(|counts| counts.wrong).sum();
    let wrong = outcome.add(subject, "not as expected", "", vec![wrong as f64]);
    wrong.gate(0.0);
}

fn deploy_apps(serve: &DynoServe, product: &MeasuredBinary) -> Result<()> {
    let slug = SlugFile::pack(product, "soak", &product.bench_guest()?, "")?;
    serve.upload(&slug)?;
    let mut all = 0;
    for (app, dynos, habit, _) in APPS {
        serve.deploy(app, &slug)?;
        serve.scale(app, dynos)?;
        if habit == Misbehaviour::TooSlow {
            serve.set(app, &json!({ "timeout": "1s" }))?;
        }
        all += dynos;
    }
    let up = |numbers: &MetricValues| numbers.dynos("up") >= f64::from(all);
    serve.until(PATIENCE, "all dynos up", up)
}

/// Requests to an app, and the number that were not answered as they should be.
#[derive(Debug, Clone, Copy, Default)]
struct SoakCounts {
    asked: u64,
    wrong: u64,
}

/// Loads the server for a number of parts, and measures it after a rest.
fn load_and_rest(
    serve: &DynoServe,
    part: Duration,
    parts: u32,
    counts: &mut [SoakCounts],
    series: &mut Vec<ProcessResources>,
) -> Result<ResourceReading> {
    for _ in 0..parts {
        for (sum, more) in counts.iter_mut().zip(run_clients(serve.apps, part)?) {
            sum.asked += more.asked;
            sum.wrong += more.wrong;
        }
        series.push(serve.server.holdings()?);
    }
    ResourceReading::after_rest(serve)
}

/// Runs all clients of all apps for the given time.
fn run_clients(address: SocketAddr, time: Duration) -> Result<Vec<SoakCounts>> {
    let until = Instant::now() + time;
    let tallies: Vec<Arc<(AtomicU64, AtomicU64)>> = APPS.iter().map(|_| Arc::default()).collect();
    let mut clients = Vec::new();
    for ((app, _, habit, number), tally) in APPS.iter().zip(&tallies) {
        for client in 0..*number {
            let (tally, host) = (Arc::clone(tally), format!("{app}.localhost"));
            clients.push(std::thread::spawn(move || {
                let mut step = client;
                while Instant::now() < until {
                    let fine = misuse::once(address, &host, *habit, step);
                    tally.0.fetch_add(1, Ordering::Relaxed);
                    tally.1.fetch_add(u64::from(!fine), Ordering::Relaxed);
                    step += 1;
                }
            }));
        }
    }
    for client in clients {
        ensure!(client.join().is_ok(), "a client broke off");
    }
    let read = |tally: &Arc<(AtomicU64, AtomicU64)>| SoakCounts {
        asked: tally.0.load(Ordering::Relaxed),
        wrong: tally.1.load(Ordering::Relaxed),
    };
    Ok(tallies.iter().map(read).collect())
}

fn add_figures(
    outcome: &mut ScenarioOutcome,
    begin: &ResourceReading,
    end: &ResourceReading,
    series: &[ProcessResources],
) {
    growth::add(outcome, (begin, "after a tenth"), end);
    let pss = series.iter().map(|held| held.pss_bytes as f64 / MIB);
    let pss = outcome.add("under load", "PSS", "MiB", pss.collect());
    pss.series();
    let descriptors = series.iter().map(|held| held.descriptors as f64);
    let held = outcome.add("under load", "descriptors", "", descriptors.collect());
    held.series();
}

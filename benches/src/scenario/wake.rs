//! `wake`: what the first request of a sleeping dyno takes longer than the same request of one awake.
//!
//! Code of which no dyno is awake is given back as well. So two crowds: apps whose components differ, each
//! of which has its code loaded again, and apps of one component, of which only the first one has.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::args::{BenchOptions, Scenario};
use crate::load::client::{BenchClient, request};
use crate::measure::FigureReader;
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, MetricValues, SlugFile};
use crate::product::unique_component;
use crate::report::document::ScenarioOutcome;
use crate::report::statistics::quantile;

/// When dynos go to sleep: as soon as an app may have it.
const IDLE_AFTER: &str = "1s";
/// How long they may take to fall asleep.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests of each dyno once it is awake; the median counts.
const AWAKE: usize = 9;
/// The longest allowed wake-up, in µs.
const MICROS_MAX: f64 = 1_000.0;

/// Of one dyno, in µs.
struct WakeTimes {
    first: f64,
    awake: f64,
}

/// The crowd whose wake-ups are held against the gates.
const OWN: &str = "own code";
/// The one whose code is there already.
const SHARED: &str = "shared code";

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let how = format!(
        "{} apps of one dyno on dyno serve, all asleep; GET / of each over one keep-alive connection, {} times, and the \
         first one's time less the median of the others; the next app when that is done; {} rounds, quantiles of each. \
         {OWN}: components that differ, so that each app's native code is loaded with its dyno; {SHARED}: one \
         component for all",
        options.sleepers,
        1 + AWAKE,
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Wake, how);
    let serve = DynoServe::start(product, &["--idle-after", IDLE_AFTER])?;
    outcome.commands.push(serve.server.command.clone());
    let (own, shared) = deploy_crowds(&serve, product, options.sleepers)?;
    let (mut own_rounds, mut shared_rounds) = (Vec::new(), Vec::new());
    for _ in 0..options.repeats {
        own_rounds.push(round(&serve, &own)?);
        shared_rounds.push(round(&serve, &shared)?);
    }
    add_figures(&mut outcome, OWN, &own_rounds);
    add_figures(&mut outcome, SHARED, &shared_rounds);
    Ok(outcome)
}

/// Deploys the apps of both crowds.
fn deploy_crowds(
    serve: &DynoServe,
    product: &MeasuredBinary,
    sleepers: u32,
) -> Result<(Vec<String>, Vec<String>)> {
    let component = product.bench_guest()?;
    let slug = SlugFile::pack(product, "wake", &component, "")?;
    serve.upload(&slug)?;
    let (mut own, mut shared) = (Vec::new(), Vec::new());
    for number in 0..sleepers {
        let app = format!("shared-{number}");
        serve.deploy(&app, &slug)?;
        shared.push(app);
        let app = format!("own-{number}");
        let other = unique_component::marked(product, &component, &app)?;
        let slug = SlugFile::pack(product, &format!("wake-{app}"), &other, "")?;
        serve.upload(&slug)?;
        serve.deploy(&app, &slug)?;
        own.push(app);
    }
    Ok((own, shared))
}

fn round(serve: &DynoServe, apps: &[String]) -> Result<Vec<WakeTimes>> {
    let asleep = |numbers: &MetricValues| numbers.dynos("up") == 0.0;
    serve.until(PATIENCE, "all asleep", asleep)?;
    let mut client = BenchClient::new(serve.apps);
    // The connection is made by a request that wakes nobody.
    let nobody = request("GET", "nobody.localhost", "/", &[], b"");
    ensure!(client.ask(&nobody)?.status == 404, "there is an app nobody");
    let woken = apps.iter().map(|app| {
        let request = request("GET", &format!("{app}.localhost"), "/", &[], b"");
        let mut micros = || -> Result<f64> {
            let began = Instant::now();
            let answer = client.ask(&request)?;
            let took = began.elapsed().as_secs_f64() * 1e6;
            ensure!(answer.status == 200, "{app} answers with {}", answer.status);
            Ok(took)
        };
        let first = micros()?;
        let awake = (0..AWAKE).map(|_| micros()).collect::<Result<Vec<_>>>()?;
        Ok(WakeTimes {
            first,
            awake: quantile(&awake, 0.5),
        })
    });
    woken.collect()
}

fn add_figures(outcome: &mut ScenarioOutcome, crowd: &str, rounds: &[Vec<WakeTimes>]) {
    let parts: [FigureReader<WakeTimes>; 3] = [
        ("asleep", "µs", |woken| woken.first),
        ("awake", "µs", |woken| woken.awake),
        ("to wake", "µs", |woken| woken.first - woken.awake),
    ];
    for (part, unit, figure) in parts {
        let subject = format!("{crowd}, {part}");
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
            let of = |round: &Vec<WakeTimes>| {
                let micros: Vec<f64> = round.iter().map(figure).collect();
                quantile(&micros, share)
            };
            let added = outcome.add(&subject, name, unit, rounds.iter().map(of).collect());
            if crowd == OWN && part == "to wake" && name != "longest" {
                added.gate(MICROS_MAX);
            }
        }
    }
}

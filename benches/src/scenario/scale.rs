//! `scale`: from one dyno to a thousand, from the command until all take requests.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::args::{BenchOptions, Scenario};
use crate::measure::{FigureReader, answers};
use crate::product::binary::MeasuredBinary;
use crate::product::boot_times;
use crate::product::dyno_serve::{DynoServe, MetricValues, SlugFile};
use crate::report::document::ScenarioOutcome;

/// The app that is scaled.
const APP: &str = "scaled";
/// The longest wait for dynos to come up, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// From the command until all dynos are up and take requests, in ms.
const MILLIS_MAX: f64 = 1_000.0;
/// The same, as it is hoped for.
const MILLIS_GOAL: f64 = 300.0;

/// How long it took, in ms.
struct ScaleTimes {
    /// Until the command was answered.
    answered: f64,
    /// Until all were up and in the routing table.
    routed: f64,
    /// From the first `starting` to the last `up` in the app's log; none if the log has lost lines, as it may
    /// when more come at once than it keeps.
    logged: Option<f64>,
    /// CPU of the server meanwhile.
    cpu: f64,
}

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let dynos = options.scale_to;
    let how = format!(
        "PATCH of the formation of one app on dyno serve, from web=1 to web={dynos}, until /metrics has all of them up \
         and free in the routing table (looked at every 20 ms, so that it is that much too long at most); {} rounds, in \
         between back to 1; by the log: the product's own times, which leave the command out",
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Scale, how);
    let serve = DynoServe::start(product, &["--idle-after", "off"])?;
    outcome.commands.push(serve.server.command.clone());
    let slug = SlugFile::pack(product, "scale", &product.bench_guest()?, "")?;
    serve.upload(&slug)?;
    serve.deploy(APP, &slug)?;
    let mut took = Vec::new();
    for _ in 0..options.repeats {
        took.push(measure_round(&serve, dynos)?);
    }
    let subject = format!("1 to {dynos}");
    let samples = |figure: fn(&ScaleTimes) -> f64| took.iter().map(figure).collect();
    outcome
        .add(
            &subject,
            "command to all up and routed",
            "ms",
            samples(|took| took.routed),
        )
        .gate(MILLIS_MAX)
        .goal(MILLIS_GOAL);
    let figures: [FigureReader<ScaleTimes>; 2] = [
        ("command to its answer", "ms", |took| took.answered),
        ("CPU of the server", "ms", |took| took.cpu),
    ];
    for (name, unit, figure) in figures {
        outcome.add(&subject, name, unit, samples(figure));
    }
    let logged: Vec<f64> = took.iter().filter_map(|took| took.logged).collect();
    let lost = took.len() - logged.len();
    if lost > 0 {
        let lost = format!("times by the log in {lost} rounds: it lost lines");
        outcome.skipped.push(lost);
    }
    let name = "first starting to last up, by the log";
    outcome.add(&subject, name, "ms", logged);
    Ok(outcome)
}

fn measure_round(serve: &DynoServe, dynos: u32) -> Result<ScaleTimes> {
    let all = f64::from(dynos);
    let up = |numbers: &MetricValues, count: f64| {
        numbers.dynos("up") == count && numbers.value("dyno_router_dynos_free") == count
    };
    serve.until(PATIENCE, "one dyno", |numbers| up(numbers, 1.0))?;
    let log = serve.follow(APP)?;
    let cpu = serve.server.cpu()?;
    let began = Instant::now();
    serve.scale(APP, dynos)?;
    let answered = began.elapsed();
    serve.until(PATIENCE, "all dynos", |numbers| up(numbers, all))?;
    let routed = began.elapsed();
    let cpu = serve.server.cpu()?.since(cpu).total();
    answers(serve, APP)?;
    let lines = serve.followed(log)?;
    serve.scale(APP, 1)?;
    let boots = boot_times::boots(&lines);
    let whole = boots.len() + 1 >= dynos as usize;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(ScaleTimes {
        answered: millis(answered),
        routed: millis(routed),
        logged: whole.then(|| boot_times::span_micros(&boots) / 1e3),
        cpu: millis(cpu),
    })
}

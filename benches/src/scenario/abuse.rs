//! `abuse`: one request in ten of an app traps, times out, or has a client that leaves; the other clients' requests are
//! all answered, hardly later than without it, and nothing that the server holds grows.
//!
//! The same number of requests a second comes in a quiet run and under abuse, so that their times can be compared.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::args::{BenchOptions, Scenario};
use crate::load::paced::{self, PacedLoad, PacedTally};
use crate::measure::answers;
use crate::measure::growth::{self, REST, ResourceReading};
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, SlugFile};
use crate::report::document::ScenarioOutcome;
use crate::report::statistics::quantile;

/// The app.
const APP: &str = "shop";
/// The number of dynos. At this pace, requests that time out after a second, and requests whose client has left, hold
/// five dynos at a time.
const DYNOS: u32 = 24;
/// Requests a second, of which one in ten is bad.
const PER_SECOND: u32 = 100;
/// Every so manieth request is bad.
const BAD_EVERY: u64 = 10;
/// Part of the time that is the warm-up, and as much is the quiet run: the log and caches fill.
const PART: u32 = 10;
/// The largest allowed ratio of the 99th percentile under abuse to that of the quiet run.
const LATER_MAX: f64 = 2.0;
/// How long the dynos may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

const QUIET: PacedLoad = PacedLoad {
    per_second: PER_SECOND,
    bad_every: 0,
};
const ABUSED: PacedLoad = PacedLoad {
    per_second: PER_SECOND,
    bad_every: BAD_EVERY,
};

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let time = Duration::from_secs(options.abuse_seconds());
    let part = (time / PART).max(Duration::from_secs(5));
    let mut outcome = ScenarioOutcome::new(Scenario::Abuse, describe_method(time, part));
    let serve = DynoServe::start(product, &["--idle-after", "off"])?;
    outcome.commands.push(serve.server.command.clone());
    deploy_app(&serve, product)?;
    let load = |pace, time| paced::run(serve.apps, &format!("{APP}.localhost"), pace, time);
    load(ABUSED, part)?;
    let warm = ResourceReading::after_rest(&serve)?;
    let quiet = load(QUIET, part)?;
    let abused = load(ABUSED, time)?;
    let end = ResourceReading::after_rest(&serve)?;
    add_times(&mut outcome, "quiet", &quiet);
    add_times(&mut outcome, "under abuse", &abused);
    let later = outcome.add_ratio("p99", "under abuse", "quiet", "times the quiet p99");
    later.gate(LATER_MAX);
    add_bad(&mut outcome, &abused);
    growth::add(&mut outcome, (&warm, "warm"), &end);
    answers(&serve, APP)?;
    Ok(outcome)
}

fn describe_method(time: Duration, part: Duration) -> String {
    format!(
        "{PER_SECOND} requests a second, each at its moment, whatever became of those before, for an app of {DYNOS} \
         dynos on dyno serve. Warm-up of {} s and a rest of {} s; a quiet run of {} s, all of them GET /; then {} s in \
         which every {BAD_EVERY}th request traps, asks for 3 s where 1 s is allowed, or is left by its client before the \
         answer or in the middle; a rest. Times of good requests run from the moment at which they were due. Growth in per \
         cent of what was there after the warm-up",
        part.as_secs(),
        REST.as_secs(),
        part.as_secs(),
        time.as_secs(),
    )
}

fn deploy_app(serve: &DynoServe, product: &MeasuredBinary) -> Result<()> {
    let slug = SlugFile::pack(product, "abuse", &product.bench_guest()?, "")?;
    serve.upload(&slug)?;
    serve.deploy(APP, &slug)?;
    serve.scale(APP, DYNOS)?;
    serve.set(APP, &json!({ "timeout": "1s" }))?;
    serve.until(PATIENCE, "all dynos up", |numbers| {
        numbers.dynos("up") >= f64::from(DYNOS)
    })
}

fn add_times(outcome: &mut ScenarioOutcome, subject: &str, tally: &PacedTally) {
    let answered = tally.millis.len() as f64;
    outcome.add(subject, "good requests answered", "", vec![answered]);
    let failed = outcome.add(
        subject,
        "good requests refused",
        "",
        vec![tally.failed as f64],
    );
    failed.gate(0.0);
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        let millis = quantile(&tally.millis, share);
        outcome.add(subject, name, "ms", vec![millis]);
    }
    let told = tally.told.iter();
    let told = told.map(|what| format!("{subject}: a good request got {what}"));
    outcome.skipped.extend(told);
}

fn add_bad(outcome: &mut ScenarioOutcome, tally: &PacedTally) {
    let subject = "under abuse";
    outcome.add(subject, "bad requests", "", vec![tally.bad as f64]);
    let wrong = vec![tally.bad_wrong as f64];
    let wrong = outcome.add(
        subject,
        "bad ones not answered as they should be",
        "",
        wrong,
    );
    wrong.gate(0.0);
}

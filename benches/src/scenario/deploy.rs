//! `deploy`: from the upload of a slug until a request is answered by it.
//!
//! Compiled: the component differs from every earlier one by bytes in a section of its own, so that no
//! cache has its native code. Unchanged: only another file differs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::args::{BenchOptions, Scenario};
use crate::measure::answers;
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, SlugFile};
use crate::product::unique_component;
use crate::report::document::ScenarioOutcome;

/// The app that is deployed again and again.
const APP: &str = "deployed";
/// From the first byte of the upload until the new release answers, in ms.
const MILLIS_MAX: f64 = 2_000.0;
/// The same, as it is hoped for.
const MILLIS_GOAL: f64 = 500.0;
/// How long the parts took.
struct DeployTimes {
    upload: Duration,
    release: Duration,
    serving: Duration,
}

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let component = product.bench_guest()?;
    let size = std::fs::metadata(&component)?.len();
    let how = format!(
        "a slug of a Rust component of {size} bytes, on dyno serve by its API: upload, release, wait until it serves, \
         GET / of the app; {} rounds of each; compiled: a component that no cache knows; unchanged: the same component \
         with another file beside it; the time of `dyno deploy FILE.slug` has the start of that program in it",
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Deploy, how);
    let serve = DynoServe::start(product, &[])?;
    outcome.commands.push(serve.server.command.clone());
    let first = SlugFile::pack(product, "deploy", &component, "first")?;
    serve.upload(&first)?;
    serve.deploy(APP, &first)?;
    let (mut compiled, mut unchanged) = (Vec::new(), Vec::new());
    let (mut compiled_cli, mut unchanged_cli) = (Vec::new(), Vec::new());
    for round in 0..options.repeats {
        let slug = |what: &str, component: &Path| {
            SlugFile::pack(
                product,
                &format!("deploy-{what}-{round}"),
                component,
                &format!("{what} {round}"),
            )
        };
        let other =
            |what: &str| unique_component::marked(product, &component, &format!("{what} {round}"));
        compiled.push(measure_deploy(&serve, &slug("compiled", &other("api")?)?)?);
        unchanged.push(measure_deploy(&serve, &slug("unchanged", &component)?)?);
        compiled_cli.push(by_command(&serve, &slug("compiled-cli", &other("cli")?)?)?);
        unchanged_cli.push(by_command(&serve, &slug("unchanged-cli", &component)?)?);
    }
    add_figures(&mut outcome, "compiled", &compiled, &compiled_cli);
    add_figures(
        &mut outcome,
        "unchanged component",
        &unchanged,
        &unchanged_cli,
    );
    let kib = vec![first.size() as f64 / crate::measure::KIB];
    outcome.add("unchanged component", "slug", "KiB", kib);
    Ok(outcome)
}

fn measure_deploy(serve: &DynoServe, slug: &SlugFile) -> Result<DeployTimes> {
    let began = Instant::now();
    serve.upload(slug)?;
    let upload = began.elapsed();
    let version = serve.release(APP, slug)?;
    let release = began.elapsed();
    serve.until_serving(APP, &version)?;
    answers(serve, APP)?;
    Ok(DeployTimes {
        upload,
        release,
        serving: began.elapsed(),
    })
}

/// `dyno deploy FILE.slug`, which returns when it serves.
fn by_command(serve: &DynoServe, slug: &SlugFile) -> Result<Duration> {
    let file = slug.file.to_string_lossy();
    let mut command = serve.command(&["deploy", &file, "-a", APP]);
    let began = Instant::now();
    let done = command.output().context("cannot start dyno deploy")?;
    ensure!(
        done.status.success(),
        "dyno deploy failed:\n{}",
        String::from_utf8_lossy(&done.stderr).trim()
    );
    answers(serve, APP)?;
    Ok(began.elapsed())
}

/// A part of a deploy, and how long it took.
type DeployPart = (&'static str, fn(&DeployTimes) -> Duration);

fn add_figures(
    outcome: &mut ScenarioOutcome,
    subject: &str,
    took: &[DeployTimes],
    by_command: &[Duration],
) {
    let millis = |time: &Duration| time.as_secs_f64() * 1e3;
    let samples =
        |part: fn(&DeployTimes) -> Duration| took.iter().map(|took| millis(&part(took))).collect();
    outcome
        .add(
            subject,
            "upload to serving",
            "ms",
            samples(|took| took.serving),
        )
        .gate(MILLIS_MAX)
        .goal(MILLIS_GOAL);
    let parts: [DeployPart; 3] = [
        ("of that, upload", |took| took.upload),
        ("of that, release made", |took| took.release - took.upload),
        ("of that, release to serving", |took| {
            took.serving - took.release
        }),
    ];
    for (name, part) in parts {
        outcome.add(subject, name, "ms", samples(part));
    }
    let samples = by_command.iter().map(millis).collect();
    outcome.add(subject, "dyno deploy, start to serving", "ms", samples);
}

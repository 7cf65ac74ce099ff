//! `languages`: what dynos of interpreted languages take: the first request after a boot, memory awake and asleep, and
//! growth over a thousand requests; and what a changed line of their source costs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::args::{BenchOptions, Scenario, repository};
use crate::load::client::{BenchClient, request};
use crate::measure::MIB;
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, MetricValues, SlugFile};
use crate::report::document::ScenarioOutcome;

/// An app of the examples: its name, the row it gets, a path that answers, and a source file.
const APPS: [(&str, &str, &str, &str); 2] = [
    ("api-ts", "TypeScript (api-ts)", "/tasks", "src/index.ts"),
    ("blog-py", "Python (blog-py)", "/", "app.py"),
];
/// When dynos go to sleep: as soon as an app may have it.
const IDLE_AFTER: &str = "1s";
/// How long they may take to fall asleep, and memory to settle.
const PATIENCE: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(2);
/// Dynos whose memory is counted, beside the first one.
const DYNOS: u32 = 20;
/// Requests before growth is counted, until the collector of JavaScript has found its heap's size; and while it is.
const WARM_REQUESTS: usize = 10_000;
const REQUESTS: usize = 1_000;
/// The longest allowed time of the first request after a boot, in ms.
const FIRST_MILLIS_MAX: f64 = 100.0;
/// The largest allowed growth over a thousand requests, in MiB: less than one of the collector's arenas for each.
const GROWTH_MIB_MAX: f64 = 4.0;

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let how = format!(
        "examples api-ts and blog-py on dyno serve; first request: GET of a dyno that sleeps, code not loaded, its native \
         code in the cache, {} rounds; memory: PSS of the process with {} dynos that have answered less that with one, \
         for each; at work: PSS after {} requests of one dyno less that after the first; growth: PSS after {} more less \
         that, {} times in a row; kept: PSS when all sleep again less that when all slept before; changed line: dyno build of a folder built before, with another comment in its source",
        options.repeats,
        DYNOS + 1,
        WARM_REQUESTS,
        REQUESTS,
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Languages, how);
    for (name, subject, path, source) in APPS {
        let folder = product.file(name);
        copy_sources(&repository().join("examples").join(name), &folder)?;
        let slug = SlugFile::build(product, &folder)?;
        let mut changed = Vec::new();
        for round in 0..options.repeats {
            let file = folder.join(source);
            let comment = if source.ends_with(".py") { "#" } else { "//" };
            let text = fs::read_to_string(&file)? + &format!("{comment} {round}\n");
            fs::write(&file, text)?;
            let began = Instant::now();
            SlugFile::build(product, &folder)?;
            changed.push(began.elapsed().as_secs_f64() * 1e3);
        }
        outcome.add(subject, "changed line, to slug", "ms", changed);
        outcome.add(subject, "slug", "MiB", vec![slug.size() as f64 / MIB]);
        first_requests(&mut outcome, subject, options, product, &slug, path)?;
        measure_memory(&mut outcome, subject, options, product, &slug, path)?;
    }
    Ok(outcome)
}

fn first_requests(
    outcome: &mut ScenarioOutcome,
    subject: &str,
    options: &BenchOptions,
    product: &MeasuredBinary,
    slug: &SlugFile,
    path: &str,
) -> Result<()> {
    let serve = DynoServe::start(product, &["--idle-after", IDLE_AFTER])?;
    outcome.commands.push(serve.server.command.clone());
    serve.upload(slug)?;
    serve.deploy("app", slug)?;
    let mut client = BenchClient::new(serve.apps);
    let (mut first, mut next) = (Vec::new(), Vec::new());
    for _ in 0..options.repeats {
        let asleep = |numbers: &MetricValues| numbers.dynos("up") == 0.0;
        serve.until(PATIENCE, "asleep", asleep)?;
        first.push(measure_request_millis(&mut client, "app", path)?);
        next.push(measure_request_millis(&mut client, "app", path)?);
    }
    outcome
        .add(subject, "first request after boot", "ms", first)
        .gate(FIRST_MILLIS_MAX);
    outcome.add(subject, "next request", "ms", next);
    Ok(())
}

fn measure_memory(
    outcome: &mut ScenarioOutcome,
    subject: &str,
    options: &BenchOptions,
    product: &MeasuredBinary,
    slug: &SlugFile,
    path: &str,
) -> Result<()> {
    let serve = DynoServe::start(product, &["--idle-after", "5s"])?;
    serve.upload(slug)?;
    serve.deploy("first", slug)?;
    let mut client = BenchClient::new(serve.apps);
    let pss = || -> Result<f64> {
        std::thread::sleep(SETTLE);
        Ok(serve.server.holdings()?.pss_bytes as f64 / MIB)
    };
    let mut ask = |app: &str, times: usize| -> Result<()> {
        for _ in 0..times {
            measure_request_millis(&mut client, app, path)?;
        }
        Ok(())
    };
    ask("first", 1)?;
    let begun = pss()?;
    ask("first", WARM_REQUESTS)?;
    let warm = pss()?;
    outcome.add(subject, "taken at work by one", "MiB", vec![warm - begun]);
    let (mut before, mut grown) = (warm, Vec::new());
    for _ in 0..options.repeats {
        ask("first", REQUESTS)?;
        let now = pss()?;
        grown.push(now - before);
        before = now;
    }
    let name = format!("growth over {REQUESTS} requests");
    outcome
        .add(subject, &name, "MiB", grown)
        .gate(GROWTH_MIB_MAX);
    for number in 0..DYNOS {
        serve.deploy(&format!("more-{number}"), slug)?;
    }
    serve.until(PATIENCE, "asleep", |numbers| numbers.dynos("up") == 0.0)?;
    let asleep = pss()?;
    ask("first", 1)?;
    let one = serve.server.holdings()?.pss_bytes as f64 / MIB;
    for number in 0..DYNOS {
        ask(&format!("more-{number}"), 1)?;
    }
    let all = serve.server.holdings()?.pss_bytes as f64 / MIB;
    let awake = (all - one) / f64::from(DYNOS);
    outcome.add(subject, "awake, each dyno", "MiB", vec![awake]);
    serve.until(PATIENCE, "asleep again", |numbers| {
        numbers.dynos("up") == 0.0
    })?;
    let again = pss()?;
    let kept = (again - asleep) / f64::from(DYNOS + 1);
    outcome.add(subject, "kept by each after sleep", "MiB", vec![kept]);
    Ok(())
}

fn measure_request_millis(client: &mut BenchClient, app: &str, path: &str) -> Result<f64> {
    let bytes = request("GET", &format!("{app}.localhost"), path, &[], b"");
    let began = Instant::now();
    let answer = client.ask(&bytes)?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    ensure!(
        answer.status == 200,
        "{app} answers with {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Ok(took)
}

/// Copies the source files of an app, without build output.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let made = ["target", "node_modules", "__pycache__"];
        if made.iter().any(|made| name == *made) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => copy_sources(&entry.path(), &to.join(name))?,
            false => drop(fs::copy(entry.path(), to.join(name))?),
        }
    }
    Ok(())
}

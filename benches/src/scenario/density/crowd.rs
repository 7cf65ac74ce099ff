//! The larger part of `density`: thousands of dynos awake, and many more asleep, in one process.
//!
//! No setting of the kernel is changed. If the product does not reach the target, the figure is the number that it
//! reached, and the outcome states the reason.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::args::BenchOptions;
use crate::load::open_loop::{self, FinishedRequest, RequestedFleet, RoutingPolicy};
use crate::load::workload::WorkloadRequest;
use crate::machine::process::{CpuTime, ProcessResources};
use crate::measure::{FigureReader, KIB, MIB};
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, MetricValues, SlugFile};
use crate::report::document::ScenarioOutcome;

/// Dynos of one app: the product allows no more of a process type.
const APP_DYNOS: u32 = 1_000;
/// Dynos that may be awake while dynos are started to sleep: a starting dyno needs room among the awake ones.
const AWAKE_MAX: f64 = 5_000.0;
/// The longest wait for an app's dynos to come up, or to fall asleep.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait, at the end, until all dynos are asleep.
const SLEEP_MAX: Duration = Duration::from_secs(120);
/// The wait until memory that a start needed is given back.
const SETTLE: Duration = Duration::from_secs(3);
/// How long the idle process is watched.
const IDLE: Duration = Duration::from_secs(3);
/// The time for which a request holds its dyno. A dyno has one request at a time: if an app answers as many requests as
/// it has dynos before any dyno could serve a second one, each request had a dyno of its own.
const HELD: Duration = Duration::from_millis(1_500);
/// The pause between the requests to one app and to the next.
const NEXT_APP: Duration = Duration::from_millis(2_500);

/// Whether dynos are to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DensityForm {
    Awake,
    Asleep,
}

/// The measurements of as many dynos as could be started.
struct Crowd {
    dynos: u32,
    asked: CrowdAnswers,
    one: ProcessResources,
    all: ProcessResources,
    cpu: CpuTime,
    grown: Duration,
    /// The reason why there are not more dynos.
    broke: Option<anyhow::Error>,
}

/// The results of a request to every dyno.
struct CrowdAnswers {
    /// Dynos that answered, each exactly once.
    alone: u32,
    /// Answers that did not come from the app.
    refused: u32,
    longest: Duration,
}

/// Adds the results of both crowds to those of `density`.
pub(crate) fn add(
    outcome: &mut ScenarioOutcome,
    options: &BenchOptions,
    product: &MeasuredBinary,
) -> Result<()> {
    let slug = SlugFile::pack(product, "crowd", &product.bench_guest()?, "")?;
    for (form, wanted, word) in [
        (DensityForm::Awake, options.awake, "awake"),
        (DensityForm::Asleep, options.asleep, "asleep"),
    ] {
        let subject = format!("{wanted} {word}");
        eprintln!("density: {subject} …");
        let idle_after = if form == DensityForm::Awake {
            "off"
        } else {
            "1s"
        };
        let serve = DynoServe::start(product, &["--idle-after", idle_after])?;
        outcome.commands.push(serve.server.command.clone());
        let crowd = grow_crowd(&serve, &slug, form, wanted)?;
        if let Some(error) = &crowd.broke {
            let (came, why) = (crowd.dynos, format!("{error:#}"));
            eprintln!("density: {subject} came to {came}: {why}");
            outcome
                .skipped
                .push(format!("{subject}: came to {came}, then: {why}"));
        }
        add_crowd(outcome, &subject, wanted, &crowd);
    }
    outcome.how += &format!(
        ". Crowds: apps of {APP_DYNOS} dynos on dyno serve; each dyno less what the process took with one; then every \
         dyno asked: as many requests at once as an app has dynos, each for {} ms, so that none could have had two",
        HELD.as_millis()
    );
    Ok(())
}

fn grow_crowd(serve: &DynoServe, slug: &SlugFile, form: DensityForm, wanted: u32) -> Result<Crowd> {
    serve.upload(slug)?;
    let began = Instant::now();
    serve.deploy(&name(0), slug)?;
    std::thread::sleep(SETTLE);
    let one = serve.server.holdings()?;
    let (mut dynos, mut broke, mut grown) = (0, None, Duration::ZERO);
    while dynos < wanted && broke.is_none() {
        let more = APP_DYNOS.min(wanted - dynos);
        match add_app(serve, slug, form, dynos, more) {
            Ok(()) => (dynos, grown) = (dynos + more, began.elapsed() - SETTLE),
            Err(error) => broke = Some(error),
        }
    }
    if form == DensityForm::Asleep {
        let asleep = |numbers: &MetricValues| numbers.dynos("idle") >= f64::from(dynos);
        serve.until(SLEEP_MAX, "all asleep", asleep)?;
    }
    std::thread::sleep(SETTLE);
    let before = serve.server.cpu()?;
    std::thread::sleep(IDLE);
    Ok(Crowd {
        dynos,
        cpu: serve.server.cpu()?.since(before),
        all: serve.server.holdings()?,
        asked: request_all_dynos(serve, dynos).context("while every dyno was asked")?,
        one,
        grown,
        broke,
    })
}

fn name(app: u32) -> String {
    format!("crowd-{app}")
}

/// Adds an app with `more` dynos to `dynos` existing ones.
fn add_app(
    serve: &DynoServe,
    slug: &SlugFile,
    form: DensityForm,
    dynos: u32,
    more: u32,
) -> Result<()> {
    let number = dynos / APP_DYNOS;
    let app = name(number);
    if number > 0 {
        serve.deploy(&app, slug)?;
    }
    serve.scale(&app, more)?;
    let all = f64::from(dynos + more);
    let there = |numbers: &MetricValues| {
        let (up, idle) = (numbers.dynos("up"), numbers.dynos("idle"));
        let room = form == DensityForm::Awake || up <= AWAKE_MAX;
        up + idle >= all && room
    };
    serve.until(PATIENCE, &format!("{all} dynos"), there)
}

fn request_all_dynos(serve: &DynoServe, dynos: u32) -> Result<CrowdAnswers> {
    let host = |dyno: u32| format!("{}.localhost", name(dyno / APP_DYNOS));
    let fleet = RequestedFleet {
        policy: RoutingPolicy::RoundRobin,
        hosts: (0..dynos).map(host).collect(),
    };
    let job = |dyno: u32| WorkloadRequest {
        at: NEXT_APP * (dyno / APP_DYNOS),
        service: HELD,
    };
    let jobs: Vec<WorkloadRequest> = (0..dynos).map(job).collect();
    let done = open_loop::run(serve.apps, &[fleet], &jobs, 0)?;
    let done = done.first().context("there is one fleet")?;
    let took = |done: &FinishedRequest| done.answered - done.sent;
    let alone = done.iter().filter(|done| {
        let took = took(done);
        done.status == 200 && took >= HELD && took < 2 * HELD
    });
    let refused = done.iter().filter(|done| done.status != 200);
    Ok(CrowdAnswers {
        alone: u32::try_from(alone.count())?,
        refused: u32::try_from(refused.count())?,
        longest: done.iter().map(took).max().unwrap_or_default(),
    })
}

fn add_crowd(outcome: &mut ScenarioOutcome, subject: &str, wanted: u32, crowd: &Crowd) {
    let figures: [FigureReader<Crowd>; 7] = [
        ("PSS", "MiB", |crowd| crowd.all.pss_bytes as f64 / MIB),
        ("RSS", "MiB", |crowd| crowd.all.rss_bytes as f64 / MIB),
        ("descriptors", "", |crowd| crowd.all.descriptors as f64),
        ("memory maps", "", |crowd| crowd.all.maps as f64),
        ("threads", "", |crowd| crowd.all.threads as f64),
        ("CPU while idle, per second", "ms", |crowd| {
            crowd.cpu.total().as_secs_f64() * 1e3 / IDLE.as_secs_f64()
        }),
        ("PSS of one", "KiB", |crowd| {
            let more = crowd.all.pss_bytes as f64 - crowd.one.pss_bytes as f64;
            more / KIB / f64::from(crowd.dynos.saturating_sub(1))
        }),
    ];
    for (name, unit, figure) in figures {
        outcome.add(subject, name, unit, vec![figure(crowd)]);
    }
    outcome.add(subject, "all started", "s", vec![crowd.grown.as_secs_f64()]);
    outcome.add(subject, "dynos", "", vec![f64::from(crowd.dynos)]);
    let asked = &crowd.asked;
    let longest = asked.longest.as_secs_f64() * 1e3;
    outcome.add(subject, "longest answer", "ms", vec![longest]);
    let refused = vec![f64::from(asked.refused)];
    outcome.add(subject, "refused", "", refused);
    let missing = f64::from(wanted.saturating_sub(asked.alone));
    outcome
        .add(subject, "not there, or no answer", "", vec![missing])
        .gate(0.0);
}

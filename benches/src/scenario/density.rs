//! `density`: what an idle dyno takes, as the difference between many and one. `crowd` has more of them.

mod crowd;

use std::time::Duration;

use anyhow::Result;

use crate::args::{BenchOptions, Scenario};
use crate::machine::process::{CpuTime, ProcessResources};
use crate::measure::{FigureReader, KIB, MIB, page};
use crate::product::binary::MeasuredBinary;
use crate::product::boot_times::{self, STATE_CHANGED};
use crate::product::child_server::{ChildServer, LogTarget};
use crate::report::document::ScenarioOutcome;

/// How long the dynos may take to come up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time for what a start leaves to be given back.
const SETTLE: Duration = Duration::from_secs(3);
/// How long the idle process is watched.
const IDLE: Duration = Duration::from_secs(3);

/// PSS of an idle dyno, in KiB.
const PSS_KIB_MAX: f64 = 64.0;
/// From the first `starting` to the last `up` of a thousand, in ms.
const START_MILLIS_MAX: f64 = 1_000.0;
/// The number of dynos that [`START_MILLIS_MAX`] is about.
const START_DYNOS: u32 = 1_000;

/// A process with some idle dynos.
struct IdleDynos {
    held: ProcessResources,
    cpu: CpuTime,
    start_millis: f64,
}

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let how = format!(
        "PSS of the process with {} idle dynos of the app less that with one, by their difference in number; {} s \
         after the last one is up; {} rounds; starts by log timestamps",
        options.idle,
        SETTLE.as_secs(),
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Density, how);
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for round in 0..options.repeats {
        for (dynos, found) in [(1, &mut one), (options.idle, &mut many)] {
            let server = product.app(dynos, LogTarget::Kept(STATE_CHANGED))?;
            if round == 0 {
                outcome.commands.push(server.command.clone());
            }
            found.push(measure_idle_dynos(&server, dynos)?);
        }
    }
    add_figures(&mut outcome, "web=1", &one);
    add_figures(&mut outcome, &format!("web={}", options.idle), &many);
    add_each(&mut outcome, options.idle, &one, &many);
    crowd::add(&mut outcome, options, product)?;
    Ok(outcome)
}

fn measure_idle_dynos(server: &ChildServer, dynos: u32) -> Result<IdleDynos> {
    let enough = dynos as usize;
    let all =
        |lines: &[String]| lines.len() >= 2 * enough && boot_times::boots(lines).len() >= enough;
    let boots = boot_times::boots(&server.lines_when(PATIENCE, all)?);
    std::thread::sleep(SETTLE);
    let before = server.cpu()?;
    std::thread::sleep(IDLE);
    let idle = IdleDynos {
        cpu: server.cpu()?.since(before),
        held: server.holdings()?,
        start_millis: boot_times::span_micros(&boots) / 1e3,
    };
    // Dynos that take nothing and do not answer would be no dynos.
    page(server)?;
    Ok(idle)
}

fn add_figures(outcome: &mut ScenarioOutcome, subject: &str, found: &[IdleDynos]) {
    let figures: [FigureReader<IdleDynos>; 7] = [
        ("PSS", "MiB", |idle| idle.held.pss_bytes as f64 / MIB),
        ("RSS", "MiB", |idle| idle.held.rss_bytes as f64 / MIB),
        ("descriptors", "", |idle| idle.held.descriptors as f64),
        ("memory maps", "", |idle| idle.held.maps as f64),
        ("threads", "", |idle| idle.held.threads as f64),
        ("CPU while idle, per second", "ms", |idle| {
            idle.cpu.total().as_secs_f64() * 1e3 / IDLE.as_secs_f64()
        }),
        ("first starting to last up", "ms", |idle| idle.start_millis),
    ];
    for (name, unit, figure) in figures {
        let figure = outcome.add(subject, name, unit, found.iter().map(figure).collect());
        if unit == "ms" && subject == format!("web={START_DYNOS}") && name.starts_with("first") {
            figure.gate(START_MILLIS_MAX);
        }
    }
}

fn add_each(outcome: &mut ScenarioOutcome, dynos: u32, one: &[IdleDynos], many: &[IdleDynos]) {
    let more = f64::from(dynos - 1);
    let each = |figure: &dyn Fn(&ProcessResources) -> f64| -> Vec<f64> {
        let pairs = many.iter().zip(one);
        pairs
            .map(|(many, one)| (figure(&many.held) - figure(&one.held)) / more)
            .collect()
    };
    let subject = "each idle dyno";
    let pss = each(&|held| held.pss_bytes as f64 / KIB);
    outcome
        .add(subject, "PSS of one", "KiB", pss)
        .gate(PSS_KIB_MAX);
    outcome.add(
        subject,
        "RSS of one",
        "KiB",
        each(&|held| held.rss_bytes as f64 / KIB),
    );
    outcome.add(
        subject,
        "descriptors",
        "",
        each(&|held| held.descriptors as f64),
    );
    outcome.add(subject, "memory maps", "", each(&|held| held.maps as f64));
}

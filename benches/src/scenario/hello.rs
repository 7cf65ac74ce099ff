//! `hello`: CPU per request and latency of a small page, the product beside plain hyper.
//!
//! All servers run for the whole scenario; the load goes to one after the other, round by round.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{KIB, MIB, page, target};
use crate::args::{Options, Scenario};
use crate::load::{self, Tally, Target, Until};
use crate::peer;
use crate::process::{self, Cpu};
use crate::product::Product;
use crate::report::Outcome;
use crate::server::{Log, Server, Start, free_port};

/// Load on each server before the first round: caches, memory and clocks settle.
const WARM_UP: Duration = Duration::from_secs(2);

/// The peer that the others are compared with.
const PEER: &str = "hyper";

/// CPU per request, in times of what plain hyper takes.
const RATIO_MAX: f64 = 3.0;

const CPU: &str = "CPU per request";
const RATIO: &str = "times hyper's CPU";

/// A server and what its turns gave.
struct Subject {
    name: String,
    server: Server,
    target: Target,
    turns: Vec<Turn>,
}

struct Turn {
    server: Cpu,
    /// Of this program: the load generator, and whoever reads the server's log.
    harness: Cpu,
    tally: Tally,
}

pub(super) fn run(options: &Options, product: &Product) -> Result<Outcome> {
    let how = format!(
        "GET / of the app over {} keep-alive connections (closed loop); {} rounds of {} s each, in turn; CPU is \
         user + system of the server's processes, from /proc/PID/stat",
        options.connections, options.repeats, options.seconds
    );
    let mut outcome = Outcome::new(Scenario::Hello, how);
    let mut subjects = start(options, product)?;
    for subject in &subjects {
        turn(subject, options, WARM_UP)?;
    }
    for _ in 0..options.repeats {
        for subject in &mut subjects {
            let done = turn(subject, options, Duration::from_secs(options.seconds))?;
            subject.turns.push(done);
        }
    }
    for subject in &subjects {
        outcome.commands.push(subject.server.command.clone());
        let cpu = |turn| per_request(turn, |turn| turn.server.total());
        let samples = subject.turns.iter().map(cpu).collect();
        outcome.add(&subject.name, CPU, "µs", samples);
    }
    for subject in subjects.iter().filter(|subject| subject.name != PEER) {
        let ratio = outcome.add_ratio(CPU, &subject.name, PEER, RATIO);
        ratio.gate(RATIO_MAX);
    }
    for subject in &subjects {
        add(&mut outcome, subject)?;
    }
    Ok(outcome)
}

fn start(options: &Options, product: &Product) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for dynos in &options.dynos {
        for (log, called) in [(Log::Drained, "log read"), (Log::Null, "log to null")] {
            let server = product.app(*dynos, log)?;
            let page = page(&server)?;
            subjects.push(Subject {
                name: format!("web={dynos}, {called}"),
                target: target(&server, &page),
                server,
                turns: Vec::new(),
            });
        }
    }
    let first = subjects.first().context("no number of dynos to measure")?;
    subjects.insert(0, start_peer(&first.server, product)?);
    Ok(subjects)
}

/// Plain hyper, with the page that `server` serves.
fn start_peer(server: &Server, product: &Product) -> Result<Subject> {
    let page = page(server)?;
    let body = product.file("page");
    std::fs::write(&body, &page.body).context("cannot write the peer's page")?;
    let port = free_port()?;
    let command = peer::command(port, &body, &page.header)?;
    let start = Start {
        port,
        log: Log::Null,
        errors: &product.file("errors.hyper"),
        probe: "/",
    };
    let server = Server::start(command, &start)?;
    Ok(Subject {
        name: PEER.to_owned(),
        target: target(&server, &page),
        server,
        turns: Vec::new(),
    })
}

fn turn(subject: &Subject, options: &Options, time: Duration) -> Result<Turn> {
    let own = std::process::id();
    let before = (subject.server.cpu()?, process::cpu_of(own)?);
    let tally = load::run(&subject.target, options.connections, Until::Elapsed(time))
        .with_context(|| format!("no figure for {}", subject.name))?;
    Ok(Turn {
        server: subject.server.cpu()?.since(before.0),
        harness: process::cpu_of(own)?.since(before.1),
        tally,
    })
}

/// A time of a turn, in µs a request.
fn per_request(turn: &Turn, time: impl Fn(&Turn) -> Duration) -> f64 {
    time(turn).as_secs_f64() * 1e6 / turn.tally.requests as f64
}

fn add(outcome: &mut Outcome, subject: &Subject) -> Result<()> {
    let mut each = |name: &str, unit: &'static str, figure: &dyn Fn(&Turn) -> f64| {
        let samples = subject.turns.iter().map(figure).collect();
        outcome.add(&subject.name, name, unit, samples);
    };
    each("of that, user", "µs", &|turn| {
        per_request(turn, |turn| turn.server.user)
    });
    each("of that, system", "µs", &|turn| {
        per_request(turn, |turn| turn.server.system)
    });
    each("harness's own CPU", "µs", &|turn| {
        per_request(turn, |turn| turn.harness.total())
    });
    each("cores used by the server", "", &|turn| {
        turn.server.total().as_secs_f64() / turn.tally.elapsed.as_secs_f64()
    });
    each("requests a second", "", &|turn| {
        turn.tally.requests as f64 / turn.tally.elapsed.as_secs_f64()
    });
    each("latency p50", "µs", &|turn| turn.tally.latency_micros(0.5));
    each("latency p99", "µs", &|turn| {
        turn.tally.latency_micros(0.99)
    });
    each("latency p99.9", "µs", &|turn| {
        turn.tally.latency_micros(0.999)
    });
    let holdings = subject.server.holdings()?;
    outcome.add(
        &subject.name,
        "PSS after it",
        "MiB",
        vec![holdings.pss_bytes as f64 / MIB],
    );
    outcome.add(
        &subject.name,
        "RSS after it",
        "MiB",
        vec![holdings.rss_bytes as f64 / MIB],
    );
    let page = *subject.target.body_bytes.end() as f64 - super::PAGE_SLACK_BYTES as f64;
    outcome.add(&subject.name, "page", "KiB", vec![page / KIB]);
    Ok(())
}

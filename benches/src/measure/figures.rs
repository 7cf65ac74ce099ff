//! Figures, ratios and gates for servers that did the same work.

use anyhow::Result;

use crate::args::Scenario;
use crate::measure::MIB;
use crate::measure::rounds::{Contestant, ServerTurn};
use crate::peers::PeerServer;
use crate::report::document::ScenarioOutcome;

/// The row of plain hyper.
pub(crate) const HYPER: &str = "hyper";

const CPU: &str = "CPU per request";
const TO_HYPER: &str = "times hyper's CPU";
const TO_DYNO: &str = "times dyno's CPU";
const TO_FEWER_THREADS: &str = "times its CPU at 1 thread";
const TO_FEWER_CONNECTIONS: &str = "times its CPU with fewer connections";

/// CPU of `hello` in times of what plain hyper takes.
const HYPER_MAX: f64 = 3.0;
const HYPER_GOAL: f64 = 2.3;
/// CPU of `hello` with all threads in times of that with one; the same for more connections.
const FLAT_MAX: f64 = 1.15;

/// The rows of dyno that are held against each other.
#[derive(Debug)]
pub(crate) struct FigureRows {
    /// The one that everything is compared with.
    pub(crate) first: String,
    /// The same with other numbers of threads.
    pub(crate) fewer_threads: Vec<(String, u32)>,
    /// The same with more connections.
    pub(crate) crowd: Option<String>,
}

/// Times that a peer's CPU for `hello` has to be of dyno's: the gate and the goal.
fn peer_margin(peer: PeerServer) -> Option<(f64, f64)> {
    match peer {
        PeerServer::Nginx => None,
        PeerServer::Node => Some((1.3, 1.6)),
        PeerServer::Workerd | PeerServer::WorkerdWasm => Some((4.0, 5.0)),
        PeerServer::Wasmtime => Some((4.0, 8.0)),
        PeerServer::WasmtimeReuse => Some((1.2, 1.5)),
        PeerServer::HaproxyThin => Some((7.0, 9.0)),
    }
}

/// Fills the outcome.
pub(crate) fn add(
    outcome: &mut ScenarioOutcome,
    which: Scenario,
    contestants: &[Contestant],
    rows: &FigureRows,
) -> Result<()> {
    for contestant in contestants {
        let cpu = |turn: &ServerTurn| turn.per_request(turn.server.total());
        let samples = contestant.turns.iter().map(cpu).collect();
        outcome.add(&contestant.name, CPU, "µs", samples);
    }
    for contestant in contestants.iter().filter(|it| it.name != HYPER) {
        let ratio = outcome.add_ratio(CPU, &contestant.name, HYPER, TO_HYPER);
        if which == Scenario::Hello && contestant.name == rows.first {
            ratio.gate(HYPER_MAX).goal(HYPER_GOAL);
        }
    }
    add_peers(outcome, which, contestants, rows);
    if which == Scenario::Hello {
        add_flatness(outcome, rows);
    }
    for contestant in contestants {
        add_readings(outcome, contestant)?;
    }
    Ok(())
}

fn add_peers(
    outcome: &mut ScenarioOutcome,
    which: Scenario,
    contestants: &[Contestant],
    rows: &FigureRows,
) {
    use clap::ValueEnum;
    for peer in PeerServer::value_variants() {
        let name = peer.called();
        if !contestants.iter().any(|contestant| contestant.name == name) {
            continue;
        }
        let ratio = outcome.add_ratio(CPU, name, &rows.first, TO_DYNO);
        if let (Scenario::Hello, Some((gate, goal))) = (which, peer_margin(*peer)) {
            ratio.gate_at_least(gate).goal(goal);
        }
    }
}

fn add_flatness(outcome: &mut ScenarioOutcome, rows: &FigureRows) {
    for (name, threads) in &rows.fewer_threads {
        if *threads == 1 {
            let ratio = outcome.add_ratio(CPU, &rows.first, name, TO_FEWER_THREADS);
            ratio.gate(FLAT_MAX);
        }
    }
    if let Some(crowd) = &rows.crowd {
        let ratio = outcome.add_ratio(CPU, crowd, &rows.first, TO_FEWER_CONNECTIONS);
        ratio.gate(FLAT_MAX);
    }
}

fn add_readings(outcome: &mut ScenarioOutcome, contestant: &Contestant) -> Result<()> {
    let mut each = |name: &str, unit: &'static str, figure: &dyn Fn(&ServerTurn) -> f64| {
        let samples = contestant.turns.iter().map(figure).collect();
        outcome.add(&contestant.name, name, unit, samples);
    };
    each("of that, user", "µs", &|turn| {
        turn.per_request(turn.server.user)
    });
    each("of that, system", "µs", &|turn| {
        turn.per_request(turn.server.system)
    });
    each("requests a second", "", &|turn| {
        turn.requests() / turn.seconds()
    });
    let quantiles = [
        ("latency p50", 0.5),
        ("latency p99", 0.99),
        ("latency p99.9", 0.999),
    ];
    for (name, share) in quantiles {
        each(name, "µs", &|turn| turn.latency_micros(0, share));
    }
    if contestant.targets.len() > 1 {
        each("latency p50 of the long ones", "ms", &|turn| {
            turn.latency_micros(1, 0.5) / 1e3
        });
    }
    let held = contestant.server.holdings_in_all()?;
    let mut once = |name: &str, unit: &'static str, value: f64| {
        outcome.add(&contestant.name, name, unit, vec![value]);
    };
    once("PSS after it", "MiB", held.pss_bytes as f64 / MIB);
    once("RSS after it", "MiB", held.rss_bytes as f64 / MIB);
    once("threads", "", held.threads as f64);
    let mut each = |name: &str, unit: &'static str, figure: &dyn Fn(&ServerTurn) -> f64| {
        let samples = contestant.turns.iter().map(figure).collect();
        outcome.add(&contestant.name, name, unit, samples);
    };
    each("cores used by the server", "", &|turn| {
        turn.server.total().as_secs_f64() / turn.seconds()
    });
    each("harness's own CPU", "µs", &|turn| {
        turn.per_request(turn.harness.total())
    });
    Ok(())
}

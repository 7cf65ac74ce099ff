//! Rounds: each server gets the same load in its turn (A B C, A B C), and its use of resources is measured.
//!
//! Owns the order and the measuring of turns. Must not know the requests, nor how figures are shown.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::closed_loop::{self, LoadEnd, LoadTally, LoadTarget};
use crate::machine::process::{self, CpuTime};
use crate::product::child_server::ChildServer;

/// The time of load on each server before the first round, so that caches, memory, compilers and clocks settle.
const WARM_UP: Duration = Duration::from_secs(2);

/// Whether a run can do without a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IsNeeded {
    Yes,
    No,
}

/// A server, the load on it, and the results of its turns.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) needed: IsNeeded,
    /// Two contestants may share one server.
    pub(crate) server: Rc<ChildServer>,
    pub(crate) targets: Vec<LoadTarget>,
    pub(crate) connections: u32,
    pub(crate) turns: Vec<ServerTurn>,
}

/// The results of one server in one round.
#[derive(Debug)]
pub(crate) struct ServerTurn {
    /// CPU time of all processes of the server.
    pub(crate) server: CpuTime,
    /// CPU time of this program: the load generator, and the reader of the server's log.
    pub(crate) harness: CpuTime,
    /// The results of each target.
    pub(crate) tallies: Vec<LoadTally>,
}

/// The length and the number of rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundPlan {
    pub(crate) repeats: u32,
    pub(crate) turn: Duration,
    /// See [`closed_loop::run_mixed`].
    pub(crate) every: u64,
}

impl ServerTurn {
    pub(crate) fn requests(&self) -> f64 {
        let requests: u64 = self.tallies.iter().map(|tally| tally.requests).sum();
        requests as f64
    }

    /// Divides a time by the number of requests. In µs.
    pub(crate) fn per_request(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.requests()
    }

    pub(crate) fn seconds(&self) -> f64 {
        let elapsed = self.tallies.first().map(|tally| tally.elapsed);
        elapsed.map_or(f64::NAN, |elapsed| elapsed.as_secs_f64())
    }

    /// The quantile `share` of the latencies of a target, in µs.
    pub(crate) fn latency_micros(&self, target: usize, share: f64) -> f64 {
        let tally = self.tallies.get(target);
        tally.map_or(f64::NAN, |tally| tally.latency_micros(share))
    }
}

/// Runs all rounds. A contestant that fails and is not needed is removed; the reasons for removals are returned.
pub(crate) fn run(contestants: &mut Vec<Contestant>, rounds: RoundPlan) -> Result<Vec<String>> {
    let mut left = Vec::new();
    run_round(contestants, rounds, WARM_UP, &mut left)?;
    contestants
        .iter_mut()
        .for_each(|contestant| contestant.turns.clear());
    for number in 1..=rounds.repeats {
        eprintln!("  round {number} of {}", rounds.repeats);
        run_round(contestants, rounds, rounds.turn, &mut left)?;
    }
    Ok(left)
}

fn run_round(
    contestants: &mut Vec<Contestant>,
    rounds: RoundPlan,
    time: Duration,
    left: &mut Vec<String>,
) -> Result<()> {
    let mut index = 0;
    while let Some(contestant) = contestants.get_mut(index) {
        match measure_turn(contestant, rounds.every, time) {
            Ok(done) => {
                contestant.turns.push(done);
                index += 1;
            }
            Err(error) if contestant.needed == IsNeeded::No => {
                let gone = contestants.remove(index);
                left.push(format!("{}: {error:#}", gone.name));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn measure_turn(contestant: &Contestant, every: u64, time: Duration) -> Result<ServerTurn> {
    let (server, own) = (&contestant.server, std::process::id());
    let before = (server.cpu()?, process::cpu_of(own)?);
    let (targets, connections) = (&contestant.targets, contestant.connections);
    let tallies = closed_loop::run_mixed(targets, every, connections, LoadEnd::Elapsed(time))
        .with_context(|| format!("no figure for {}", contestant.name))?;
    Ok(ServerTurn {
        server: server.cpu()?.since(before.0),
        harness: process::cpu_of(own)?.since(before.1),
        tallies,
    })
}

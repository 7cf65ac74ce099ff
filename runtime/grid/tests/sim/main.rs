//! The grid in virtual time: scenarios with golden output, and seeded runs with faults.
//!
//! Owns the tests. A scenario is a file `scenarios/NAME.txt`; its expected transcript is `NAME.golden`, which
//! `UPDATE_GOLDEN=1` rewrites. Every plan of every run is checked against all invariants. A seeded run that
//! fails prints its script, which is a scenario; `SIM_SEEDS` runs more seeds, from `SIM_FIRST` on.

mod former;
mod node;
mod random;
mod requests;
mod rng;
mod script;
mod transcript;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeded runs of a test; `SIM_SEEDS` asks for more, never for fewer.
const SEEDS: u64 = 10_000;

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut texts: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    texts.sort();
    texts
}

#[test]
fn scenarios_match_their_golden_files() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let scenarios = scenarios();
    assert!(scenarios.len() >= 12, "only {} scenarios", scenarios.len());
    let mut wrong = Vec::new();
    for path in scenarios {
        let text = fs::read_to_string(&path).expect("readable");
        let name = path
            .file_stem()
            .expect("it has a name")
            .to_string_lossy()
            .into_owned();
        let told = match script::run(&text) {
            Ok(world) => world.transcript.text(),
            Err(failure) => panic!("{name}: {failure}"),
        };
        let golden = path.with_extension("golden");
        if update {
            fs::write(&golden, &told).expect("writable");
        } else if fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(format!("{name} went otherwise:\n{told}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_GOLDEN=1 takes this for right",
        wrong.join("\n")
    );
}

/// Runs a script twice: the same script gives the same transcript.
fn run_twice(text: &str) -> Result<(), String> {
    let transcripts = [script::run(text)?, script::run(text)?].map(|world| world.transcript.text());
    let [first, second] = transcripts;
    if first == second {
        return Ok(());
    }
    let mut lines = first.lines().zip(second.lines());
    let different = lines.find(|(first, second)| first != second);
    Err(format!("two runs went differently: {different:?}"))
}

#[test]
fn seeded_runs_hold_every_invariant() {
    let asked = std::env::var("SIM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let seeds = SEEDS.max(asked);
    let first = std::env::var("SIM_FIRST")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let next = AtomicU64::new(first);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let text = random::script(seed);
                    if let Err(failure) = run_twice(&text) {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                        panic!("seed {seed}: {failure}\nas a scenario:\n{text}");
                    }
                }
            });
        }
    });
}

//! The command line as typed. What a scenario does is its own business.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, value_parser};

/// Measures the built `dyno` binary, and peers beside it in the same run.
#[derive(Debug, Parser)]
#[command(name = "benches", version, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
#[command(
    after_help = "Example:\n  cargo build --release && cargo run --release -p benches -- hello boot --json run.json"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) hidden: Option<Hidden>,
}

/// How the harness calls itself, so that what it measures is a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Hidden {
    /// Serve one page by plain hyper
    #[command(name = "__peer-hyper", hide = true)]
    PeerHyper(PeerHyper),
}

/// The page that plain hyper serves.
#[derive(Debug, ClapArgs)]
pub(crate) struct PeerHyper {
    #[arg(long)]
    pub(crate) port: u16,
    /// The file with the body
    #[arg(long)]
    pub(crate) body: PathBuf,
    #[arg(long)]
    pub(crate) content_type: String,
}

/// What to measure, and how long.
#[derive(Debug, ClapArgs)]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, required = true, value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<Scenario>,
    /// The binary to measure [default: dyno, next to this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) dyno: Option<PathBuf>,
    /// The app to serve, which answers `GET /`: a folder to build, a slug, or a component
    #[arg(long, value_name = "PATH", default_value_os_t = repository().join("examples/hello"))]
    pub(crate) app: PathBuf,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Fail if a gate does not hold
    #[arg(long)]
    pub(crate) gate: bool,
    /// Rounds; in each one every server has its turn
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(3..=100))]
    pub(crate) repeats: u32,
    /// Seconds of load in a turn
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Keep-alive connections that ask all the time
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) connections: u32,
    /// Dynos behind which `hello` is measured, one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "4,1",
          value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) dynos: Vec<u32>,
    /// Requests of `soak1m`
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(10..))]
    pub(crate) requests: u64,
    /// Dynos that `boot` starts
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(2..=1_000))]
    pub(crate) boots: u32,
    /// Idle dynos of `density`
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(2..=1_000))]
    pub(crate) idle: u32,
    /// Dynos awake at once, of `density`
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) awake: u32,
    /// Dynos asleep at once, of `density`
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) asleep: u32,
    /// Minutes of the workload of `routing`
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..=240))]
    pub(crate) trace_minutes: u64,
    /// How many times faster than the workload's own time `routing` goes
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// Dynos to which `scale` goes from one
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(2..=1_000))]
    pub(crate) scale_to: u32,
    /// Sleeping dynos that `wake` wakes, one after the other, in each round
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) sleepers: u32,
    /// Minutes of `soak`
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=1_440))]
    pub(crate) minutes: u64,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// CPU per request and latency of a small page, beside plain hyper
    Hello,
    /// Memory of one dyno over a million requests
    #[value(name = "soak1m")]
    Soak,
    /// From `starting` to `up`, alone and many at once
    Boot,
    /// Memory of a thousand idle dynos; ten thousand awake, a hundred thousand asleep
    Density,
    /// How long requests wait for a dyno, beside other ways of routing
    Routing,
    /// From one dyno to a thousand
    Scale,
    /// From upload to serving
    Deploy,
    /// What the first request of a sleeping dyno takes longer
    Wake,
    /// Growth under mixed load with clients and guests that misbehave
    #[value(name = "soak")]
    Endure,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// A factor that leaves times long enough to be measured.
fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    match (0.1..=20.0).contains(&speed) {
        true => Ok(speed),
        false => Err("it is from 0.1 to 20".to_owned()),
    }
}

/// Each scenario once, in the order in which they were first named.
pub(crate) fn distinct(scenarios: &[Scenario]) -> Vec<Scenario> {
    let mut seen = BTreeSet::new();
    let first = scenarios.iter().filter(|scenario| seen.insert(**scenario));
    first.copied().collect()
}

/// The repository in which this program was built.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_run_and_a_peer_are_told_apart() {
        let run = Args::try_parse_from(["benches", "boot", "hello", "boot", "--dynos", "2,3"]);
        let run = run.expect("a run");
        assert!(run.hidden.is_none());
        assert_eq!(run.options.dynos, [2, 3]);
        let scenarios = distinct(&run.options.scenarios);
        assert_eq!(scenarios, [Scenario::Boot, Scenario::Hello]);
        let words = "benches __peer-hyper --port 1 --body b --content-type t";
        let peer = Args::try_parse_from(words.split(' ')).expect("a peer");
        assert!(peer.hidden.is_some());
        assert!(Args::try_parse_from(["benches"]).is_err());
        assert!(Args::try_parse_from(["benches", "hello", "--repeats", "2"]).is_err());
    }
}

//! The command line as typed. What a scenario does is its own business.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, value_parser};

use crate::peers::PeerServer;

/// Measures the built `dyno` binary, and peers beside it in the same run.
#[derive(Debug, Parser)]
#[command(name = "benches", version, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
#[command(
    after_help = "Examples:\n  cargo build --profile dist && cargo run --profile dist -p benches -- hello boot --html run.html\n  \
                  cargo run --profile dist -p benches -- --all --json new.json --against old.json --gate"
)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) options: BenchOptions,
    #[command(subcommand)]
    pub(crate) hidden: Option<HiddenCommand>,
}

/// Seconds of load in a turn when nobody said how many.
const TURN_SECONDS: u64 = 4;
/// The same for `languages`, which has many turns.
const LANGUAGE_TURN_SECONDS: u64 = 2;
/// Seconds of `abuse` when nobody said how many.
const ABUSE_SECONDS: u64 = 600;

/// How the harness calls itself, so that what it measures is a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum HiddenCommand {
    /// Serve the paths of the bench guest by plain hyper
    #[command(name = "__peer-hyper", hide = true)]
    PeerHyper(HyperPeerArgs),
    /// Become another program, held to some cores, which ends with this program's parent
    #[command(name = "__confined", hide = true)]
    Confined(ConfinedCommandArgs),
}

/// Where plain hyper serves what.
#[derive(Debug, ClapArgs)]
pub(crate) struct HyperPeerArgs {
    #[arg(long)]
    pub(crate) port: u16,
    /// The folder with the pages
    #[arg(long)]
    pub(crate) pages: PathBuf,
}

/// A program, and what it is held to.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConfinedCommandArgs {
    /// Cores it may run on: the first ones of those this process may use
    #[arg(long)]
    pub(crate) cores: usize,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// What to measure, and how long.
#[derive(Debug, ClapArgs)]
pub(crate) struct BenchOptions {
    /// What to measure
    #[arg(value_enum, required_unless_present = "all", value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<Scenario>,
    /// Measure everything, which takes more than an hour
    #[arg(long, conflicts_with = "scenarios")]
    pub(crate) all: bool,
    /// The binary to measure [default: dyno, next to this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) dyno: Option<PathBuf>,
    /// Measure a binary that was not built by the profile `dist`
    #[arg(long)]
    pub(crate) any_build: bool,
    /// An app that answers `GET /`: a folder to build, a slug, or a component. `hello` measures it in
    /// a row of its own; `boot`, `density` and `soak1m` run it
    #[arg(long, value_name = "PATH", default_value_os_t = repository().join("examples/hello"))]
    pub(crate) app: PathBuf,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report with charts, as one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Compare with the figures of an earlier run, which were written by --json
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// Fail if a gate does not hold
    #[arg(long)]
    pub(crate) gate: bool,
    /// Rounds; in each one every server has its turn
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(3..=100))]
    pub(crate) repeats: u32,
    /// Seconds of load: in a turn [default: 4, of `languages` 2], or of `abuse` [default: 600]
    #[arg(long, value_parser = value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: Option<u64>,
    /// Keep-alive connections that ask all the time
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) connections: u32,
    /// Connections of the row of `hello` that shows what a crowd costs; 0 leaves it out
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(0..=1_000))]
    pub(crate) crowd: u32,
    /// Worker threads, and cores, of every server; each further number is a row of `hello`, for dyno
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "2,1",
          value_parser = value_parser!(u32).range(1..=64))]
    pub(crate) threads: Vec<u32>,
    /// Servers to measure beside dyno and plain hyper
    #[arg(long, value_enum, value_name = "PEER,…", value_delimiter = ',',
          default_values_t = PeerServer::value_variants().to_vec())]
    pub(crate) peers: Vec<PeerServer>,
    /// No peers but plain hyper
    #[arg(long, conflicts_with = "peers")]
    pub(crate) no_peers: bool,
    /// Install no peers: those that are missing are left out
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Dynos of the rows of `hello`, one row each; the first number is that of `body`, `echo` and `cpu` too
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
    /// Sleeping dynos that `wake` wakes, one after the other, in each round; twice
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) sleepers: u32,
    /// Apps of `languages`, by the names of their folders [default: all]
    #[arg(long, value_name = "APP,…", value_delimiter = ',')]
    pub(crate) apps: Vec<String>,
    /// Minutes of `soak`
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=1_440))]
    pub(crate) minutes: u64,
}

/// The scenarios that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// CPU per request and latency of a small page, beside the peers
    Hello,
    /// The same for 64 KiB
    Body,
    /// The same for a POST of 1 KiB that comes back
    Echo,
    /// The same for half a millisecond of computing
    Cpu,
    /// The same with one request of a hundred that takes a second
    Mixed,
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
    /// Apps in Ruby, JavaScript, Python and Go beside their native servers: CPU, first request, memory, a changed line
    Languages,
    /// Growth under mixed load with clients and guests that misbehave
    #[value(name = "soak")]
    Endure,
    /// One request in ten traps, times out or is left: what the others notice, and growth
    Abuse,
    /// What a page over PostgreSQL takes, from memcached and without it
    Guestbook,
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

impl BenchOptions {
    /// The scenarios, each once, in the order in which they were first named.
    pub(crate) fn chosen(&self) -> Vec<Scenario> {
        let named = if self.all {
            Scenario::value_variants()
        } else {
            &self.scenarios
        };
        let mut seen = BTreeSet::new();
        let first = named.iter().filter(|scenario| seen.insert(**scenario));
        first.copied().collect()
    }

    /// Seconds of load in a turn.
    pub(crate) fn turn_seconds(&self) -> u64 {
        self.seconds.unwrap_or(TURN_SECONDS)
    }

    /// Seconds of load in a turn of `languages`.
    pub(crate) fn language_turn_seconds(&self) -> u64 {
        self.seconds.unwrap_or(LANGUAGE_TURN_SECONDS)
    }

    /// Seconds of `abuse`.
    pub(crate) fn abuse_seconds(&self) -> u64 {
        self.seconds.unwrap_or(ABUSE_SECONDS)
    }

    /// The peers to measure, each once.
    pub(crate) fn chosen_peers(&self) -> BTreeSet<PeerServer> {
        let peers = self.peers.iter().filter(|_| !self.no_peers);
        peers.copied().collect()
    }
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
    fn the_command_line_definition_is_valid() {
        BenchArgs::command().debug_assert();
    }

    #[test]
    fn all_selects_every_scenario_and_peers_can_be_excluded() {
        let run = |words: &str| {
            let args = BenchArgs::try_parse_from(words.split(' ')).expect("a run");
            args.options
        };
        assert_eq!(run("benches --all").chosen(), Scenario::value_variants());
        assert_eq!(
            run("benches hello").chosen_peers().len(),
            PeerServer::value_variants().len()
        );
        assert_eq!(
            run("benches hello --peers node,node").chosen_peers(),
            [PeerServer::Node].into()
        );
        assert!(run("benches hello --no-peers").chosen_peers().is_empty());
    }

    #[test]
    fn runs_and_hidden_commands_are_distinguished() {
        let run = BenchArgs::try_parse_from(["benches", "boot", "hello", "boot", "--dynos", "2,3"]);
        let run = run.expect("a run");
        assert!(run.hidden.is_none());
        assert_eq!(run.options.dynos, [2, 3]);
        assert_eq!(run.options.chosen(), [Scenario::Boot, Scenario::Hello]);
        let words = "benches __peer-hyper --port 1 --pages p";
        let peer = BenchArgs::try_parse_from(words.split(' ')).expect("a peer");
        assert!(peer.hidden.is_some());
        let words = "benches __confined --cores 2 -- server -p 80 --help";
        let confined = BenchArgs::try_parse_from(words.split(' ')).expect("a server");
        assert!(
            matches!(confined.hidden, Some(HiddenCommand::Confined(it)) if it.command.len() == 4)
        );
        assert!(BenchArgs::try_parse_from(["benches"]).is_err());
        assert!(BenchArgs::try_parse_from(["benches", "hello", "--repeats", "2"]).is_err());
    }
}

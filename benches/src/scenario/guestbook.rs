//! `guestbook`: what a page over PostgreSQL takes, from memcached and without it.
//!
//! The servers beside it are real ones, started here and ended with the scenario.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::servers::{Memcached, Postgres};

use crate::args::repository;
use crate::args::{BenchOptions, Scenario};
use crate::load::client::{BenchClient, request};
use crate::measure::FigureReader;
use crate::product::binary::MeasuredBinary;
use crate::product::child_server::{ChildServer, ChildServerStart, LogTarget, free_port};
use crate::report::document::ScenarioOutcome;
use crate::report::statistics::quantile;

/// Entries that the page shows.
const ENTRIES: usize = 50;
/// Requests of a round.
const REQUESTS: usize = 300;
/// How long the lines of a round may take to be written.
const PATIENCE: Duration = Duration::from_secs(30);
/// The median of `service` with the page in memcached and without it, in ms.
const CACHED_MAX: f64 = 2.0;
const UNCACHED_MAX: f64 = 10.0;

/// One request, in ms.
struct GuestbookTimes {
    /// As the router's line has it, in whole ms.
    service: f64,
    /// As its client measured it.
    answer: f64,
}

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let how = format!(
        "examples/guestbook with {ENTRIES} entries on one dyno of dyno local, beside PostgreSQL and memcached on this \
         machine; GET / over one keep-alive connection, {REQUESTS} times a round, {} rounds; service as the router's \
         lines have it, in whole ms",
        options.repeats
    );
    let mut outcome = ScenarioOutcome::new(Scenario::Guestbook, how);
    let (postgres, memcached) = (Postgres::start(), Memcached::start());
    let database = format!("DATABASE_URL={}\n", postgres.url());
    let cache = format!("MEMCACHED_SERVERS={}\n", memcached.address());
    let example = repository().join("examples/guestbook");
    let with = environment(product, "guestbook.cached", &(database.clone() + &cache))?;
    let without = environment(product, "guestbook.uncached", &database)?;
    make_tables(product, &example, &with)?;
    let fill = format!(
        "INSERT INTO entries (name, message) SELECT 'Visitor ' || n, 'The ' || n || 'th of many words.' \
         FROM generate_series(1, {ENTRIES}) AS n"
    );
    postgres.run_sql(&fill).map_err(anyhow::Error::msg)?;
    let rows = [
        ("from memcached", &with, CACHED_MAX),
        ("from PostgreSQL", &without, UNCACHED_MAX),
    ];
    let mut servers = Vec::new();
    for (name, environment, most) in rows {
        let server = start_server(product, &example, environment)?;
        outcome.commands.push(server.command.clone());
        servers.push((name, server, most, Vec::new()));
    }
    for _ in 0..options.repeats {
        for (_, server, _, rounds) in &mut servers {
            rounds.push(round(server, rounds.len())?);
        }
    }
    for (name, _, most, rounds) in &servers {
        add_figures(&mut outcome, name, rounds, *most);
    }
    Ok(outcome)
}

fn environment(product: &MeasuredBinary, name: &str, text: &str) -> Result<PathBuf> {
    let file = product.file(name);
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// As the release process of a deploy does.
fn make_tables(product: &MeasuredBinary, example: &Path, environment: &Path) -> Result<()> {
    let mut command: Command = product.command();
    command
        .args(["local", "run", "-e"])
        .arg(environment)
        .args(["--", "release"])
        .current_dir(example);
    let ran = command.output().context("cannot start dyno local run")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(
        ran.status.success(),
        "no tables were made:\n{}",
        said.trim()
    );
    Ok(())
}

fn start_server(
    product: &MeasuredBinary,
    example: &Path,
    environment: &Path,
) -> Result<ChildServer> {
    let port = free_port()?;
    let mut command = product.command();
    command
        .arg("local")
        .arg(example)
        .arg("-e")
        .arg(environment)
        .args(["web=1", "-p", &port.to_string()]);
    let errors = environment.with_extension("errors");
    let start = ChildServerStart {
        port,
        log: LogTarget::Kept("dyno[router]"),
        errors: &errors,
        probe: "/",
    };
    ChildServer::start(command, &start)
}

fn round(server: &ChildServer, number: usize) -> Result<Vec<GuestbookTimes>> {
    let mut client = BenchClient::new(server.address);
    // Paths that differ would be other pages; a query tells the lines of this round apart.
    let mark = format!("/?round={number}");
    let request = request("GET", "localhost", &mark, &[], b"");
    let mut answers = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let answer = client.ask(&request)?;
        answers.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(answer.status == 200, "GET / has status {}", answer.status);
    }
    let wanted = format!("path=\"{mark}\"");
    let of_round = |line: &&String| line.contains(&wanted);
    let lines = server.lines_when(PATIENCE, |lines| {
        lines.iter().filter(of_round).count() == REQUESTS
    })?;
    let services = lines.iter().filter(of_round).map(|line| service(line));
    let both = services.zip(answers);
    both.map(|(service, answer)| {
        Ok(GuestbookTimes {
            service: service?,
            answer,
        })
    })
    .collect()
}

/// The milliseconds in `service=…ms`.
fn service(line: &str) -> Result<f64> {
    let millis = line
        .split_once(" service=")
        .and_then(|(_, rest)| rest.split_once("ms"))
        .and_then(|(millis, _)| millis.parse().ok());
    millis.with_context(|| format!("no service in {line}"))
}

fn add_figures(
    outcome: &mut ScenarioOutcome,
    row: &str,
    rounds: &[Vec<GuestbookTimes>],
    most: f64,
) {
    let parts: [FigureReader<GuestbookTimes>; 2] = [
        ("service", "ms", |asked| asked.service),
        ("answer, by its client", "ms", |asked| asked.answer),
    ];
    for (part, unit, figure) in parts {
        let subject = format!("{row}, {part}");
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let of = |round: &Vec<GuestbookTimes>| {
                let millis: Vec<f64> = round.iter().map(figure).collect();
                quantile(&millis, share)
            };
            let added = outcome.add(&subject, name, unit, rounds.iter().map(of).collect());
            if part == "service" && name == "p50" {
                added.gate(most);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::service;

    #[test]
    fn the_service_time_is_read_from_a_log_line() {
        let line = "at=info wait=0ms connect=0ms service=12ms status=200";
        assert_eq!(service(line).expect("it is there"), 12.0);
        assert!(service("at=info").is_err());
    }
}

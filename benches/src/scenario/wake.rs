//! `wake`: what the first request of a sleeping dyno takes longer than the same request of one awake.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::args::{Options, Scenario};
use crate::client::{Client, request};
use crate::product::Product;
use crate::report::Outcome;
use crate::serve::{Serve, Slug};
use crate::stats::quantile;

/// When dynos go to sleep: as soon as an app may have it.
const IDLE_AFTER: &str = "1s";
/// How long they may take to fall asleep.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests of each dyno once it is awake; the median counts.
const AWAKE: usize = 9;
/// What a wake-up may take, in µs.
const MICROS_MAX: f64 = 1_000.0;

/// Of one dyno, in µs.
struct Woken {
    first: f64,
    awake: f64,
}

pub(super) fn run(options: &Options, product: &Product) -> Result<Outcome> {
    let how = format!(
        "{} apps of one dyno on dyno serve, all asleep; GET / of each over one keep-alive connection, {} times, and the \
         first one's time less the median of the others; the next app when that is done; {} rounds; gates for p50 and \
         p99 of a round",
        options.sleepers,
        1 + AWAKE,
        options.repeats
    );
    let mut outcome = Outcome::new(Scenario::Wake, how);
    let serve = Serve::start(product, &["--idle-after", IDLE_AFTER])?;
    outcome.commands.push(serve.server.command.clone());
    let slug = Slug::pack(product, "wake", &product.bench_guest()?, "")?;
    serve.upload(&slug)?;
    let apps: Vec<String> = (0..options.sleepers)
        .map(|n| format!("sleeper-{n}"))
        .collect();
    for app in &apps {
        serve.deploy(app, &slug)?;
    }
    let mut rounds = Vec::new();
    for _ in 0..options.repeats {
        rounds.push(round(&serve, &apps)?);
    }
    add(&mut outcome, &rounds);
    Ok(outcome)
}

fn round(serve: &Serve, apps: &[String]) -> Result<Vec<Woken>> {
    let all = apps.len() as f64;
    serve.until(PATIENCE, "all asleep", |numbers| {
        numbers.dynos("idle") >= all
    })?;
    let mut client = Client::new(serve.apps);
    // The connection is made by a request that wakes nobody.
    let nobody = request("GET", "nobody.localhost", "/", &[], b"");
    ensure!(client.ask(&nobody)?.status == 404, "there is an app nobody");
    let woken = apps.iter().map(|app| {
        let request = request("GET", &format!("{app}.localhost"), "/", &[], b"");
        let mut micros = || -> Result<f64> {
            let began = Instant::now();
            let answer = client.ask(&request)?;
            let took = began.elapsed().as_secs_f64() * 1e6;
            ensure!(answer.status == 200, "{app} answers with {}", answer.status);
            Ok(took)
        };
        let first = micros()?;
        let awake = (0..AWAKE).map(|_| micros()).collect::<Result<Vec<_>>>()?;
        Ok(Woken {
            first,
            awake: quantile(&awake, 0.5),
        })
    });
    woken.collect()
}

fn add(outcome: &mut Outcome, rounds: &[Vec<Woken>]) {
    let mut each = |subject: &str, name: &str, share: f64, part: fn(&Woken) -> f64| {
        let of = |round: &Vec<Woken>| {
            let micros: Vec<f64> = round.iter().map(part).collect();
            quantile(&micros, share)
        };
        outcome
            .add(subject, name, "µs", rounds.iter().map(of).collect())
            .clone()
    };
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        each("asleep", name, share, |woken| woken.first);
        each("awake", name, share, |woken| woken.awake);
        each("to wake", name, share, |woken| woken.first - woken.awake);
    }
    for figure in &mut outcome.figures {
        if figure.subject == "to wake" && figure.name != "longest" {
            figure.gate(MICROS_MAX);
        }
    }
}

//! `routing`: how long requests wait for a dyno, under the product's routing and under others.
//!
//! Ours is one app with many dynos. The others are as many apps of one dyno each, with a line of its own
//! before each dyno, and the generator is the router that picks one. All get the same requests at the
//! same moments, from one server. The ideal is simulated over the very same requests as they were sent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::args::{BenchOptions, Scenario};
use crate::load::open_loop::{self, FinishedRequest, RequestedFleet, RoutingPolicy};
use crate::load::workload::{self, WorkloadRequest};
use crate::product::binary::MeasuredBinary;
use crate::product::dyno_serve::{DynoServe, SlugFile};
use crate::product::router_log::RoutedRequest;
use crate::report::document::ScenarioOutcome;
use crate::report::idle_while_waiting::{self, TimeSpan};
use crate::report::statistics::quantile;

/// Dynos behind which it is measured: with fifty they are busy for 79 % of the time, and seventy-five
/// are enough for nearly nobody to wait.
const SIZES: [u32; 2] = [50, 75];
/// Chance begins here, so that every run has the same requests.
const SEED: u64 = 2013;
/// The time limit of a request, waiting included: more than the longest queue of one dyno.
const TIMEOUT: &str = "10m";
/// How long dynos may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Shorter times are no waiting and no being free: the log rounds wait and service down to whole
/// milliseconds, and an answer's way through the sockets takes part of one.
const SLACK: Duration = Duration::from_millis(3);
/// The wait that 99 in 100 requests do not exceed, in times of the ideal's.
const RATIO_MAX: f64 = 1.2;
/// How far above that it may be, in ms of the clock: what the log can tell apart. Where the ideal's is
/// 0, a ratio says nothing, and this is all there is.
const RESOLUTION_MILLIS: f64 = 1.0;

/// The product's own routing, in tables.
const OURS: &str = "dyno";

/// A policy at a size, and what it is called.
struct RoutingContender {
    name: &'static str,
    dynos: u32,
    fleet: RequestedFleet,
}

/// How a request fared.
struct PolicyResult {
    /// In ms, of the workload's time.
    wait_millis: f64,
    while_free: bool,
}

pub(super) fn run(options: &BenchOptions, product: &MeasuredBinary) -> Result<ScenarioOutcome> {
    let speed = options.speed;
    let span = Duration::from_secs(options.trace_minutes * 60);
    let jobs = workload::workload(SEED, span, speed);
    let mut outcome = ScenarioOutcome::new(Scenario::Routing, describe_method(options, &jobs));
    let serve = DynoServe::start(product, &["--idle-after", "off"])?;
    outcome.commands.push(serve.server.command.clone());
    let contenders = contenders();
    deploy_contenders(&serve, product, &contenders)?;
    let mut logs = Vec::new();
    for contender in contenders.iter().filter(|one| one.name == OURS) {
        logs.push(serve.follow(&contender.fleet.hosts[0].replace(".localhost", ""))?);
    }
    let fleets: Vec<RequestedFleet> = contenders.iter().map(|one| one.fleet.clone()).collect();
    let cpu = serve.server.cpu()?;
    let done = open_loop::run(serve.apps, &fleets, &jobs, SEED)?;
    let cpu = serve.server.cpu()?.since(cpu).total().as_secs_f64();
    let mut lines = Vec::new();
    for log in logs {
        lines.push(serve.followed(log)?);
    }
    for (dynos, lines) in SIZES.into_iter().zip(&lines) {
        let own = contenders.iter().zip(&done);
        let own = own
            .filter(|(one, _)| one.dynos == dynos)
            .collect::<Vec<_>>();
        let sent = own.iter().find(|(one, _)| one.name == OURS);
        let sent = sent.map_or_else(Vec::new, |(_, done)| sent_jobs(done, &jobs));
        let busy = vec![workload::utilisation(&sent, dynos as usize) * 100.0];
        outcome.add("ideal", &figure_name(dynos, "busy"), "%", busy);
        let ideal = workload::ideal(&sent, dynos as usize);
        let ideal: Vec<PolicyResult> = ideal.iter().map(|wait| fared(*wait, speed)).collect();
        add_figures(&mut outcome, "ideal", dynos, &ideal, 0.0);
        for (contender, done) in own {
            add_contender(&mut outcome, contender, done, &jobs, speed);
        }
        add_ours(&mut outcome, dynos, lines, &ideal, speed)?;
    }
    add_generator(&mut outcome, &done, &jobs, cpu);
    Ok(outcome)
}

fn describe_method(options: &BenchOptions, jobs: &[WorkloadRequest]) -> String {
    format!(
        "{} requests: Poisson, 9,000 a minute; service after Weibull, shape 0.46, median 50 ms, 10–30,000 ms; {} min of \
         it at {} times its speed; all policies at the same moments, from one dyno serve; times are the workload's. \
         Ideal: one line before all dynos, simulated over the requests as they were sent. Wait: response time less the service asked for, so that HTTP and timers are in it; `by the log`: the router's \
         own wait=, in whole ms. A policy's line is before each dyno; its requests count as waiting while a dyno is \
         free if both lasted over {} ms. The gate is for p99 by the log: no more than {RATIO_MAX} × the ideal's and {RESOLUTION_MILLIS} ms \
         of the clock, which is all that the log tells apart; where the ideal's is 0, that alone",
        jobs.len(),
        options.trace_minutes,
        options.speed,
        SLACK.as_millis()
    )
}

fn contenders() -> Vec<RoutingContender> {
    let policies = [
        (OURS, "o", RoutingPolicy::Own),
        ("two choices", "t", RoutingPolicy::TwoChoices),
        ("round-robin", "r", RoutingPolicy::RoundRobin),
        ("random", "a", RoutingPolicy::Random),
    ];
    let mut contenders = Vec::new();
    for dynos in SIZES {
        for (name, short, policy) in policies {
            let apps = if policy == RoutingPolicy::Own {
                1
            } else {
                dynos
            };
            let host = |n| format!("{short}{dynos}-{n}.localhost");
            let hosts = (0..apps).map(host).collect();
            let fleet = RequestedFleet { policy, hosts };
            contenders.push(RoutingContender { name, dynos, fleet });
        }
    }
    contenders
}

fn deploy_contenders(
    serve: &DynoServe,
    product: &MeasuredBinary,
    contenders: &[RoutingContender],
) -> Result<()> {
    let slug = SlugFile::pack(product, "routing", &product.bench_guest()?, "")?;
    serve.upload(&slug)?;
    let mut dynos = 0;
    for contender in contenders {
        for host in &contender.fleet.hosts {
            let app = host.trim_end_matches(".localhost");
            serve.deploy(app, &slug)?;
            serve.set(app, &json!({ "timeout": TIMEOUT }))?;
            if contender.fleet.policy == RoutingPolicy::Own {
                serve.scale(app, contender.dynos)?;
            }
        }
        dynos += contender.dynos;
    }
    let all = f64::from(dynos);
    let free = |numbers: &crate::product::dyno_serve::MetricValues| {
        numbers.value("dyno_router_dynos_free") >= all
    };
    serve.until(PATIENCE, "all dynos up", free)
}

/// The jobs as they were sent: the generator may be late, and that is no fault of who routes.
fn sent_jobs(done: &[FinishedRequest], jobs: &[WorkloadRequest]) -> Vec<WorkloadRequest> {
    let sent = |done: &FinishedRequest| WorkloadRequest {
        at: done.sent,
        service: jobs[done.job].service,
    };
    let mut sent: Vec<WorkloadRequest> = done.iter().map(sent).collect();
    sent.sort_by_key(|job| job.at);
    sent
}

fn fared(wait: Duration, speed: f64) -> PolicyResult {
    PolicyResult {
        wait_millis: wait.as_secs_f64() * 1e3 * speed,
        while_free: false,
    }
}

/// Adds a routing policy, with figures that the generator measured. The product's figures come from its log instead,
/// since the generator cannot see its dynos.
fn add_contender(
    outcome: &mut ScenarioOutcome,
    contender: &RoutingContender,
    done: &[FinishedRequest],
    jobs: &[WorkloadRequest],
    speed: f64,
) {
    let refused = done.iter().filter(|done| done.status != 200).count();
    let refused = refused as f64 / done.len() as f64 * 100.0;
    let answered = done.iter().filter(|done| done.status == 200);
    let wait =
        |done: &FinishedRequest| (done.answered - done.sent).saturating_sub(jobs[done.job].service);
    let mut all: Vec<PolicyResult> = answered
        .clone()
        .map(|done| fared(wait(done), speed))
        .collect();
    if contender.fleet.policy != RoutingPolicy::Own {
        let while_free = while_free(contender, &answered.copied().collect::<Vec<_>>());
        for (fared, while_free) in all.iter_mut().zip(while_free) {
            fared.while_free = while_free;
        }
    }
    add_figures(outcome, contender.name, contender.dynos, &all, refused);
}

/// Of each request, whether it waited while another dyno of the fleet was free.
fn while_free(contender: &RoutingContender, done: &[FinishedRequest]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..done.len()).collect();
    order.sort_by_key(|index| done[*index].sent);
    let mut busy = vec![Vec::new(); contender.fleet.hosts.len()];
    let mut free_at = vec![Duration::ZERO; busy.len()];
    let mut waits = vec![(Duration::ZERO, Duration::ZERO); done.len()];
    for index in order {
        let FinishedRequest {
            host,
            sent,
            answered,
            ..
        } = done[index];
        waits[index] = (sent, free_at[host].max(sent));
        free_at[host] = free_at[host].max(answered);
        busy[host].push((sent, answered));
    }
    let idle = idle_while_waiting::idle(busy, SLACK);
    waits
        .iter()
        .map(|wait| idle_while_waiting::overlap(&idle, *wait) > SLACK)
        .collect()
}

fn figure_name(dynos: u32, name: &str) -> String {
    format!("{dynos} dynos: {name}")
}

fn add_figures(
    outcome: &mut ScenarioOutcome,
    subject: &str,
    dynos: u32,
    all: &[PolicyResult],
    refused: f64,
) {
    let mut figure = |name: &str, unit, value: f64| {
        outcome.add(subject, &figure_name(dynos, name), unit, vec![value]);
    };
    let waits: Vec<f64> = all.iter().map(|fared| fared.wait_millis).collect();
    figure(
        "wait, mean",
        "ms",
        waits.iter().sum::<f64>() / waits.len() as f64,
    );
    figure("wait, p99", "ms", quantile(&waits, 0.99));
    figure("wait, p99.9", "ms", quantile(&waits, 0.999));
    figure("wait, longest", "ms", quantile(&waits, 1.0));
    figure("refused, since a line was full", "%", refused);
    if subject != OURS {
        let while_free = all.iter().filter(|fared| fared.while_free).count();
        let share = while_free as f64 / all.len() as f64 * 100.0;
        figure("waited while a dyno was free", "%", share);
    }
}

/// Ours by the router's log lines, with the gates.
fn add_ours(
    outcome: &mut ScenarioOutcome,
    dynos: u32,
    lines: &[String],
    ideal: &[PolicyResult],
    speed: f64,
) -> Result<()> {
    let routed: Vec<RoutedRequest> = lines
        .iter()
        .filter_map(|line| RoutedRequest::parse(line))
        .collect();
    ensure!(!routed.is_empty(), "the log has no line about a request");
    let waits: Vec<f64> = routed
        .iter()
        .map(|routed| routed.wait.as_secs_f64() * 1e3 * speed)
        .collect();
    let missing = ideal.len() as f64 - routed.len() as f64;
    let ideal: Vec<f64> = ideal.iter().map(|fared| fared.wait_millis).collect();
    let (p99, best) = (quantile(&waits, 0.99), quantile(&ideal, 0.99));
    let mut figure = |name: &str, unit, value: f64, at_most: Option<f64>| {
        let figure = outcome.add(OURS, &figure_name(dynos, name), unit, vec![value]);
        if let Some(at_most) = at_most {
            figure.gate(at_most);
        }
    };
    let while_free = ours_while_free(dynos, &routed)?;
    let share = while_free as f64 / routed.len() as f64 * 100.0;
    figure("waited while a dyno was free", "%", share, Some(0.0));
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    figure("wait by the log, mean", "ms", mean, None);
    // The log has whole milliseconds.
    let at_most = (RATIO_MAX * best + RESOLUTION_MILLIS * speed).round();
    figure("wait by the log, p99", "ms", p99, Some(at_most));
    figure(
        "wait by the log, p99.9",
        "ms",
        quantile(&waits, 0.999),
        None,
    );
    if best > 0.0 {
        figure(
            "wait by the log, p99, times the ideal's",
            "×",
            p99 / best,
            None,
        );
    }
    figure("requests that the log lacks", "", missing, Some(0.0));
    Ok(())
}

fn ours_while_free(dynos: u32, routed: &[RoutedRequest]) -> Result<usize> {
    let mut busy: Vec<Vec<TimeSpan>> = vec![Vec::new(); dynos as usize];
    for request in routed {
        let number = request
            .dyno
            .strip_prefix("web.")
            .and_then(|n| n.parse::<usize>().ok());
        let own = number.and_then(|number| busy.get_mut(number.checked_sub(1)?));
        let own = own.with_context(|| format!("{} had a request", request.dyno))?;
        own.push((request.began(), request.ended));
    }
    let idle = idle_while_waiting::idle(busy, SLACK);
    let waited = |request: &&RoutedRequest| {
        let began = request.began();
        idle_while_waiting::overlap(&idle, (began.saturating_sub(request.wait), began)) > SLACK
    };
    Ok(routed.iter().filter(waited).count())
}

/// Whether generator and server had time for all this.
fn add_generator(
    outcome: &mut ScenarioOutcome,
    done: &[Vec<FinishedRequest>],
    jobs: &[WorkloadRequest],
    cpu: f64,
) {
    let late = done.iter().flatten();
    let late: Vec<f64> = late
        .map(|done| done.sent.saturating_sub(jobs[done.job].at).as_secs_f64() * 1e3)
        .collect();
    let span = jobs.last().map_or(f64::NAN, |job| job.at.as_secs_f64());
    let mut figure = |subject: &str, name: &str, unit, value| {
        outcome.add(subject, name, unit, vec![value]);
    };
    figure(
        "ideal",
        "requests sent late, p99, by the clock",
        "ms",
        quantile(&late, 0.99),
    );
    figure(
        OURS,
        "cores used by the server, all policies",
        "",
        cpu / span,
    );
}

//! The first request after a boot: of a dyno that sleeps, and of a native server that is started.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::MeasuredApp;
use crate::load::client::{BenchClient, request};
use crate::measure::MIB;
use crate::product::dyno_serve::{DynoServe, MetricValues};
use crate::report::document::ScenarioOutcome;

/// When dynos go to sleep: as soon as an app may have it.
const IDLE_AFTER: &str = "1s";
/// How long dynos may take to fall asleep.
pub(super) const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Time between two requests to an app whose dyno is not wanted yet.
const LOOK: Duration = Duration::from_millis(1);
/// The longest allowed time of the first request after a boot, in ms, and the goal.
const FIRST_MILLIS_MAX: f64 = 150.0;
const FIRST_MILLIS_GOAL: f64 = 100.0;
const FIRST: &str = "first request after boot";
const NEXT: &str = "next request";
pub(super) const AWAKE: &str = "memory awake, each";

impl MeasuredApp<'_> {
    /// Adds the times of the first two requests, and the memory of a native server after them.
    pub(super) fn measure_starts(&self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let page = self.app.page;
        let serve = DynoServe::start(self.product, &["--idle-after", IDLE_AFTER])?;
        outcome.commands.push(serve.server.command.clone());
        serve.upload(self.slug)?;
        serve.deploy("app", self.slug)?;
        let mut client = BenchClient::new(serve.apps);
        let (mut first, mut next) = (Vec::new(), Vec::new());
        for _ in 0..self.options.repeats {
            let began = self.put_away(&serve)?;
            self.ask_until_up(&mut client)?;
            first.push(began.elapsed().as_secs_f64() * 1e3);
            next.push(measure_request_millis(&mut client, "app", page)?);
        }
        drop(serve);
        let subject = self.app.dyno_subject();
        outcome
            .add(&subject, FIRST, "ms", first)
            .gate(FIRST_MILLIS_MAX)
            .goal(FIRST_MILLIS_GOAL);
        self.measure_native_starts(outcome)?;
        outcome.add(&subject, NEXT, "ms", next);
        Ok(())
    }

    /// Waits until the dyno is asleep. One that never sleeps is ended, and asked for again. Returns the moment from which
    /// on it is wanted.
    fn put_away(&self, serve: &DynoServe) -> Result<Instant> {
        if !self.app.sleeps() {
            serve.scale("app", 0)?;
        }
        let none = |numbers: &MetricValues| numbers.dynos("up") == 0.0;
        serve.until(SLEEP_MAX, "asleep", none)?;
        let began = Instant::now();
        if !self.app.sleeps() {
            serve.scale("app", 1)?;
        }
        Ok(began)
    }

    /// Asks for the page. An app without dynos is refused until its formation has changed: it is asked again then.
    fn ask_until_up(&self, client: &mut BenchClient) -> Result<()> {
        let deadline = Instant::now() + SLEEP_MAX;
        loop {
            let asked = measure_request_millis(client, "app", self.app.page);
            if asked.is_ok() || self.app.sleeps() || Instant::now() > deadline {
                return asked.map(drop);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn measure_native_starts(&self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let (Some(native), Some(subject)) = (self.native, self.app.native_subject()) else {
            return Ok(());
        };
        let (mut first, mut next, mut awake) = (Vec::new(), Vec::new(), Vec::new());
        let errors = self.product.file("native.errors");
        for _ in 0..self.options.repeats {
            let began = Instant::now();
            let server = native.start(self.budget, &errors, self.app.page)?;
            first.push(began.elapsed().as_secs_f64() * 1e3);
            let mut client = BenchClient::new(server.address);
            next.push(measure_request_millis(&mut client, "app", self.app.page)?);
            awake.push(server.holdings_in_all()?.pss_bytes as f64 / MIB);
        }
        outcome.add(&subject, FIRST, "ms", first);
        outcome.add(&subject, AWAKE, "MiB", awake);
        outcome.add(&subject, NEXT, "ms", next);
        Ok(())
    }
}

/// The time of one request to an app, in ms.
pub(super) fn measure_request_millis(
    client: &mut BenchClient,
    app: &str,
    path: &str,
) -> Result<f64> {
    let bytes = request("GET", &format!("{app}.localhost"), path, &[], b"");
    let began = Instant::now();
    let answer = client.ask(&bytes)?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    ensure!(
        answer.status == 200,
        "{app} answers with {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    Ok(took)
}

//! Memory of dynos: what one takes at work, its growth, and what many take awake and asleep.

use std::time::Duration;

use anyhow::Result;

use super::MeasuredApp;
use super::start::{AWAKE, SLEEP_MAX, measure_request_millis};
use crate::load::client::BenchClient;
use crate::measure::MIB;
use crate::measure::growth::REST;
use crate::product::dyno_serve::{DynoServe, MetricValues};
use crate::report::document::ScenarioOutcome;

/// Dynos whose memory is counted, beside the first one.
pub(super) const DYNOS: u32 = 20;
/// Requests before growth is counted, until the collector of JavaScript has found its heap's size; and while it is.
pub(super) const WARM_REQUESTS: usize = 10_000;
pub(super) const REQUESTS: usize = 1_000;
/// How long memory may take to settle.
const SETTLE: Duration = Duration::from_secs(2);
/// The largest allowed growth over a thousand requests, in MiB: less than one of the collector's arenas for each.
const GROWTH_MIB_MAX: f64 = 4.0;

/// A server on which the first app is `first`.
struct MemoryProbe<'a> {
    built: &'a MeasuredApp<'a>,
    serve: DynoServe,
    client: BenchClient,
}

impl MeasuredApp<'_> {
    /// Adds what dynos take.
    pub(super) fn measure_memory(&self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let serve = DynoServe::start(self.product, &["--idle-after", "5s"])?;
        serve.upload(self.slug)?;
        serve.deploy("first", self.slug)?;
        let mut probe = MemoryProbe {
            built: self,
            client: BenchClient::new(serve.apps),
            serve,
        };
        match self.app.sleeps() {
            true => probe.measure_many(outcome)?,
            false => probe.measure_many_awake(outcome)?,
        }
        probe.measure_one(outcome)
    }
}

impl MemoryProbe<'_> {
    /// Many apps of one dyno each: asleep, awake, and asleep again.
    fn measure_many(&mut self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let subject = self.built.app.dyno_subject();
        self.ask("first", 1)?;
        let one_asleep = self.asleep_mib()?;
        self.deploy_more()?;
        let asleep = self.asleep_mib()?;
        let awake = self.wake_more()?;
        outcome.add(&subject, AWAKE, "MiB", vec![awake]);
        let each = (asleep - one_asleep) / f64::from(DYNOS);
        outcome.add(&subject, "memory asleep, each", "MiB", vec![each]);
        let kept = (self.asleep_mib()? - asleep) / f64::from(DYNOS + 1);
        outcome.add(&subject, "kept by each after sleep", "MiB", vec![kept]);
        Ok(())
    }

    /// Many apps whose dynos never sleep.
    fn measure_many_awake(&mut self, outcome: &mut ScenarioOutcome) -> Result<()> {
        self.ask("first", 1)?;
        let one = self.settled_mib()?;
        self.deploy_more()?;
        for number in 0..DYNOS {
            self.ask(&format!("more-{number}"), 1)?;
        }
        let awake = (self.settled_mib()? - one) / f64::from(DYNOS);
        outcome.add(&self.built.app.dyno_subject(), AWAKE, "MiB", vec![awake]);
        Ok(())
    }

    fn deploy_more(&self) -> Result<()> {
        for number in 0..DYNOS {
            let app = format!("more-{number}");
            self.serve.deploy(&app, self.built.slug)?;
        }
        Ok(())
    }

    /// Wakes the first app, then the others. Returns what each of those takes, in MiB.
    fn wake_more(&mut self) -> Result<f64> {
        self.ask("first", 1)?;
        let one = self.mib()?;
        for number in 0..DYNOS {
            self.ask(&format!("more-{number}"), 1)?;
        }
        Ok((self.mib()? - one) / f64::from(DYNOS))
    }

    /// One dyno at work.
    fn measure_one(&mut self, outcome: &mut ScenarioOutcome) -> Result<()> {
        let subject = self.built.app.dyno_subject();
        self.ask("first", 1)?;
        let begun = self.settled_mib()?;
        self.ask("first", WARM_REQUESTS)?;
        let warm = self.settled_mib()?;
        outcome.add(&subject, "taken at work by one", "MiB", vec![warm - begun]);
        let (mut before, mut grown) = (warm, Vec::new());
        for _ in 0..self.built.options.repeats {
            self.ask("first", REQUESTS)?;
            let now = self.settled_mib()?;
            grown.push(now - before);
            before = now;
        }
        let name = format!("growth over {REQUESTS} requests");
        outcome
            .add(&subject, &name, "MiB", grown)
            .gate(GROWTH_MIB_MAX);
        Ok(())
    }

    fn ask(&mut self, app: &str, times: usize) -> Result<()> {
        for _ in 0..times {
            measure_request_millis(&mut self.client, app, self.built.app.page)?;
        }
        Ok(())
    }

    /// PSS of the server when all its dynos have slept for a while, in MiB.
    fn asleep_mib(&self) -> Result<f64> {
        let asleep = |numbers: &MetricValues| numbers.dynos("up") == 0.0;
        self.serve.until(SLEEP_MAX, "asleep", asleep)?;
        std::thread::sleep(REST);
        self.mib()
    }

    /// PSS of the server now, in MiB.
    fn mib(&self) -> Result<f64> {
        Ok(self.serve.server.holdings()?.pss_bytes as f64 / MIB)
    }

    fn settled_mib(&self) -> Result<f64> {
        std::thread::sleep(SETTLE);
        self.mib()
    }
}

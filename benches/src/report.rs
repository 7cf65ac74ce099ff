//! What a run found, as data. Knows neither how it was measured nor how it is shown.
//!
//! The JSON form is for comparing runs: names of scenarios, subjects and figures are stable.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Scenario;
use crate::machine::{self, Machine};
use crate::product::Version;
use crate::stats::{self, Spread};

/// Version of the JSON form.
const FORM: u32 = 1;

/// One run of the harness.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    form: u32,
    pub(crate) at: String,
    /// The harness's own.
    pub(crate) version: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) machine: Machine,
    pub(crate) dyno: Version,
    pub(crate) outcomes: Vec<Outcome>,
}

/// What one scenario found.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    /// How it was measured, in a sentence or two.
    pub(crate) how: String,
    /// Processes that wanted to run before it began, this harness apart: 0 is a quiet machine.
    pub(crate) load_before: f64,
    /// The servers, as they were started.
    pub(crate) commands: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

/// One number of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) samples: Vec<f64>,
    pub(crate) spread: Spread,
    pub(crate) gate: Option<Gate>,
}

/// What the median may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Gate {
    pub(crate) at_most: f64,
    pub(crate) held: bool,
}

impl Report {
    pub(crate) fn begin(machine: Machine, dyno: Version) -> Report {
        Report {
            form: FORM,
            at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            version: env!("CARGO_PKG_VERSION"),
            arguments: std::env::args().skip(1).collect(),
            machine,
            dyno,
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn gates_held(&self) -> bool {
        let mut figures = self.outcomes.iter().flat_map(|outcome| &outcome.figures);
        figures.all(|figure| figure.gate.is_none_or(|gate| gate.held))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the report is no JSON")?;
        std::fs::write(file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Outcome {
    pub(crate) fn new(scenario: Scenario, how: impl Into<String>) -> Outcome {
        Outcome {
            scenario: scenario.to_string(),
            how: how.into(),
            load_before: machine::load(),
            commands: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// Adds a figure; it can be given a gate.
    pub(crate) fn add(
        &mut self,
        subject: &str,
        name: &str,
        unit: &'static str,
        samples: Vec<f64>,
    ) -> &mut Figure {
        let index = self.figures.len();
        self.figures.push(Figure {
            subject: subject.to_owned(),
            name: name.to_owned(),
            unit,
            spread: Spread::of(&samples),
            samples,
            gate: None,
        });
        &mut self.figures[index]
    }

    /// Adds the ratio of one subject's figure to another's, round by round.
    pub(crate) fn add_ratio(
        &mut self,
        name: &str,
        of: &str,
        to: &str,
        called: &str,
    ) -> &mut Figure {
        let samples = |subject: &str| {
            let same = |figure: &&Figure| figure.subject == subject && figure.name == name;
            let figure = self.figures.iter().find(same);
            figure.map_or(&[][..], |figure| &figure.samples)
        };
        let ratios = stats::ratios(samples(of), samples(to));
        self.add(of, called, "×", ratios)
    }
}

impl Figure {
    /// The median must not be above `at_most`. What could not be measured has not held.
    pub(crate) fn gate(&mut self, at_most: f64) {
        let held = self.spread.median <= at_most;
        self.gate = Some(Gate { at_most, held });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_look_at_the_median() {
        let mut outcome = Outcome::new(Scenario::Hello, "by a test");
        outcome.add("a", "cpu", "µs", vec![9.0, 10.0, 31.0]);
        outcome.add("b", "cpu", "µs", vec![3.0, 5.0, 10.0]);
        outcome.add_ratio("cpu", "a", "b", "cpu to b").gate(3.0);
        outcome.add_ratio("cpu", "a", "b", "again").gate(2.9);
        outcome.add_ratio("cpu", "a", "nobody", "none").gate(2.9);
        let held = |name: &str| {
            let figure = outcome.figures.iter().find(|figure| figure.name == name);
            figure.and_then(|figure| figure.gate).expect("a gate").held
        };
        assert!(held("cpu to b"));
        assert!(!held("again") && !held("none"));
    }
}

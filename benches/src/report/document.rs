//! The results of a run, as data. Must not know how they were measured, nor how they are shown.
//!
//! The JSON form is for comparing runs: names of scenarios, subjects and figures are stable.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Scenario;
use crate::machine::description::{self, MachineDescription};
use crate::product::binary::BinaryVersion;
use crate::report::statistics::{self, SampleSpread};

/// Version of the JSON form.
pub(crate) const FORM: u32 = 1;

/// One run of the harness.
#[derive(Debug, Serialize)]
pub(crate) struct BenchReport {
    form: u32,
    pub(crate) at: String,
    /// The harness's own.
    pub(crate) version: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) machine: MachineDescription,
    pub(crate) dyno: BinaryVersion,
    pub(crate) outcomes: Vec<ScenarioOutcome>,
}

/// The results of one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct ScenarioOutcome {
    pub(crate) scenario: String,
    /// How it was measured, in a sentence or two.
    pub(crate) how: String,
    /// Processes that wanted to run before it began, this harness apart: 0 is a quiet machine.
    pub(crate) load_before: f64,
    /// The servers, as they were started.
    pub(crate) commands: Vec<String>,
    /// The parts that were left out, with the reason.
    pub(crate) skipped: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

/// One number of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) samples: Vec<f64>,
    pub(crate) spread: SampleSpread,
    /// The samples are one after the other in time, not repeats of one thing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) series: bool,
    pub(crate) gate: Option<FigureGate>,
}

/// The bounds for the median. One of the two is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct FigureGate {
    pub(crate) at_most: Option<f64>,
    pub(crate) at_least: Option<f64>,
    /// A goal beyond the gate; missing it has no consequence.
    pub(crate) goal: Option<f64>,
    pub(crate) held: bool,
}

impl FigureGate {
    fn allows(self, value: f64) -> bool {
        self.at_most.is_some_and(|most| value <= most)
            || self.at_least.is_some_and(|least| value >= least)
    }

    /// Whether the goal, if there is one, was reached.
    pub(crate) fn reached(self, value: f64) -> Option<bool> {
        let bounds = |bound: Option<f64>| bound.and(self.goal);
        let goal = FigureGate {
            at_most: bounds(self.at_most),
            at_least: bounds(self.at_least),
            ..self
        };
        self.goal.map(|_| goal.allows(value))
    }
}

impl BenchReport {
    pub(crate) fn begin(machine: MachineDescription, dyno: BinaryVersion) -> BenchReport {
        BenchReport {
            form: FORM,
            at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            version: env!("CARGO_PKG_VERSION"),
            arguments: std::env::args().skip(1).collect(),
            machine,
            dyno,
            outcomes: Vec::new(),
        }
    }

    /// All figures with the outcomes that they are of.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (&ScenarioOutcome, &Figure)> {
        let outcomes = self.outcomes.iter();
        outcomes.flat_map(|outcome| outcome.figures.iter().map(move |figure| (outcome, figure)))
    }

    /// How many gates held, of how many.
    pub(crate) fn gates(&self) -> (usize, usize) {
        let gates = self.figures().filter_map(|(_, figure)| figure.gate);
        let held: Vec<bool> = gates.map(|gate| gate.held).collect();
        (held.iter().filter(|held| **held).count(), held.len())
    }

    pub(crate) fn gates_held(&self) -> bool {
        let (held, all) = self.gates();
        held == all
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the report is no JSON")?;
        std::fs::write(file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

impl ScenarioOutcome {
    pub(crate) fn new(scenario: Scenario, how: impl Into<String>) -> ScenarioOutcome {
        ScenarioOutcome {
            scenario: scenario.to_string(),
            how: how.into(),
            load_before: description::load(),
            commands: Vec::new(),
            skipped: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// The figure of a subject by its name.
    pub(crate) fn figure(&self, subject: &str, name: &str) -> Option<&Figure> {
        let mut figures = self.figures.iter();
        figures.find(|figure| figure.subject == subject && figure.name == name)
    }

    /// Figures that only one subject has, in an outcome of several subjects.
    pub(crate) fn alone(&self) -> impl Iterator<Item = &Figure> {
        let others = |figure: &Figure| {
            let same = |other: &&Figure| other.name == figure.name;
            self.figures.iter().filter(same).count() - 1
        };
        self.figures
            .iter()
            .filter(move |figure| others(figure) == 0)
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
            spread: SampleSpread::of(&samples),
            samples,
            series: false,
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
            let figure = self.figure(subject, name);
            figure.map_or(&[][..], |figure| &figure.samples)
        };
        let ratios = statistics::ratios(samples(of), samples(to));
        self.add(of, called, "×", ratios)
    }
}

impl Figure {
    /// Requires that the median is not above `at_most`. A figure that could not be measured has failed its gate.
    pub(crate) fn gate(&mut self, at_most: f64) -> &mut Figure {
        self.bound(FigureGate {
            at_most: Some(at_most),
            ..FigureGate::default()
        })
    }

    /// The median must not be below `at_least`.
    pub(crate) fn gate_at_least(&mut self, at_least: f64) -> &mut Figure {
        self.bound(FigureGate {
            at_least: Some(at_least),
            ..FigureGate::default()
        })
    }

    /// Marks the samples as a series over time.
    pub(crate) fn series(&mut self) -> &mut Figure {
        self.series = true;
        self
    }

    /// Sets the goal, in a figure that has a gate.
    pub(crate) fn goal(&mut self, goal: f64) {
        self.gate = self.gate.map(|gate| FigureGate {
            goal: Some(goal),
            ..gate
        });
    }

    fn bound(&mut self, gate: FigureGate) -> &mut Figure {
        let held = gate.allows(self.spread.median);
        self.gate = Some(FigureGate { held, ..gate });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_compare_the_median() {
        let mut outcome = ScenarioOutcome::new(Scenario::Hello, "by a test");
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

    #[test]
    fn a_gate_may_be_a_minimum_and_have_a_goal() {
        let mut outcome = ScenarioOutcome::new(Scenario::Hello, "by a test");
        let figure = outcome.add("peer", "times", "×", vec![4.5]);
        figure.gate_at_least(4.0).goal(8.0);
        let gate = figure.gate.expect("a gate");
        assert!(gate.held && gate.reached(4.5) == Some(false) && gate.reached(8.0) == Some(true));
        assert!(!figure.gate_at_least(5.0).gate.expect("a gate").held);
        figure.gate(5.0);
        assert_eq!(figure.gate.expect("a gate").reached(4.5), None);
    }
}

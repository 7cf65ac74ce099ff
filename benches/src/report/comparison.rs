//! Compares a run with an earlier run, figure by figure, by the JSON of both.
//!
//! Owns the differences and their size. Must not judge whether a difference is good: for most figures that depends.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::report::document::{BenchReport, FORM, Figure};
use crate::report::statistics::SampleSpread;
use crate::report::text;

/// The parts of an earlier report that are compared. Missing and additional parts are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct EarlierReport {
    form: u32,
    pub(crate) at: String,
    #[serde(default)]
    machine: serde_json::Value,
    outcomes: Vec<EarlierOutcome>,
}

#[derive(Debug, Deserialize)]
struct EarlierOutcome {
    scenario: String,
    figures: Vec<EarlierFigure>,
}

#[derive(Debug, Deserialize)]
struct EarlierFigure {
    subject: String,
    name: String,
    unit: String,
    /// A value that is not a number is `null` in a report's JSON.
    samples: Vec<Option<f64>>,
}

/// One figure, then and now.
#[derive(Debug, PartialEq)]
pub(crate) struct FigureChange {
    pub(crate) scenario: String,
    pub(crate) subject: String,
    /// With the unit.
    pub(crate) figure: String,
    pub(crate) then: String,
    pub(crate) now: String,
    /// Of what it was then; nothing if that was 0 or no number.
    pub(crate) percent: Option<f64>,
    pub(crate) beyond: BeyondNoise,
}

/// Whether a change is more than what the repeats of a run differ by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BeyondNoise {
    /// All samples of one run lie above all of the other.
    Yes,
    No,
    /// One of the runs has a single sample.
    Unknown,
}

/// A comparison of this run with an earlier one.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) at: String,
    pub(crate) changes: Vec<FigureChange>,
    /// Why not to rely on it.
    pub(crate) warnings: Vec<String>,
}

impl EarlierReport {
    /// Of a file that an earlier run wrote.
    pub(crate) fn read(file: &Path) -> Result<EarlierReport> {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        let earlier: EarlierReport = serde_json::from_str(&text)
            .with_context(|| format!("{shown} is not what --json writes"))?;
        let form = earlier.form;
        ensure!(form == FORM, "{shown} has form {form}, and this is {FORM}");
        Ok(earlier)
    }

    fn figure(&self, scenario: &str, figure: &Figure) -> Option<&EarlierFigure> {
        let outcomes = self.outcomes.iter().filter(|one| one.scenario == scenario);
        let mut figures = outcomes.flat_map(|outcome| &outcome.figures);
        figures.find(|one| {
            one.subject == figure.subject && one.name == figure.name && one.unit == figure.unit
        })
    }
}

/// All figures that both have, in the order of this run.
pub(crate) fn compare(earlier: &EarlierReport, report: &BenchReport) -> Comparison {
    let mut changes = Vec::new();
    let mut new = 0;
    for (outcome, figure) in report.figures() {
        match earlier.figure(&outcome.scenario, figure) {
            Some(then) => changes.push(change(&outcome.scenario, then, figure)),
            None => new += 1,
        }
    }
    let mut warnings = Vec::new();
    let machine = serde_json::to_value(&report.machine).unwrap_or_default();
    if machine != earlier.machine {
        warnings.push("the machines differ: ratios may still be compared, times may not".into());
    }
    if new > 0 {
        warnings.push(format!("{new} figures are not in the earlier run"));
    }
    Comparison {
        at: earlier.at.clone(),
        changes,
        warnings,
    }
}

fn change(scenario: &str, then: &EarlierFigure, now: &Figure) -> FigureChange {
    let samples: Vec<f64> = then.samples.iter().flatten().copied().collect();
    let before = Figure {
        spread: SampleSpread::of(&samples),
        samples,
        gate: None,
        ..now.clone()
    };
    let (old, new) = (before.spread, now.spread);
    let percent = (new.median - old.median) / old.median * 100.0;
    let beyond = if before.samples.len() < 2 || now.samples.len() < 2 {
        BeyondNoise::Unknown
    } else if new.min > old.max || new.max < old.min {
        BeyondNoise::Yes
    } else {
        BeyondNoise::No
    };
    FigureChange {
        scenario: scenario.to_owned(),
        subject: now.subject.clone(),
        figure: text::titled(&now.name, now.unit),
        then: text::with_spread(&before),
        now: text::with_spread(now),
        percent: percent.is_finite().then_some(percent),
        beyond,
    }
}

impl Comparison {
    /// How many figures have changed by more than the repeats differ.
    pub(crate) fn beyond(&self) -> usize {
        let beyond = self
            .changes
            .iter()
            .filter(|change| change.beyond == BeyondNoise::Yes);
        beyond.count()
    }
}

impl FigureChange {
    /// `+12.3%`
    pub(crate) fn shown_percent(&self) -> String {
        self.percent
            .map_or_else(String::new, |percent| format!("{percent:+.1}%"))
    }

    /// In a word, for the last column.
    pub(crate) fn mark(&self) -> &'static str {
        match (self.beyond, self.percent) {
            (BeyondNoise::Yes, Some(percent)) if percent > 0.0 => "▲ more",
            (BeyondNoise::Yes, _) => "▼ less",
            (BeyondNoise::No, _) => "",
            (BeyondNoise::Unknown, _) => "?",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(then: &[Option<f64>], now: &[f64]) -> FigureChange {
        let then = EarlierFigure {
            subject: "dyno".into(),
            name: "CPU".into(),
            unit: "µs".into(),
            samples: then.to_vec(),
        };
        let now = Figure {
            subject: "dyno".into(),
            name: "CPU".into(),
            unit: "µs",
            samples: now.to_vec(),
            spread: SampleSpread::of(now),
            series: false,
            gate: None,
        };
        change("hello", &then, &now)
    }

    #[test]
    fn a_change_is_beyond_the_spread_if_the_runs_do_not_overlap() {
        let more = changed(&[Some(10.0), Some(11.0), Some(12.0)], &[13.0, 22.0, 23.0]);
        assert_eq!((more.percent, more.mark()), (Some(100.0), "▲ more"));
        assert_eq!(more.shown_percent(), "+100.0%");
        let same = changed(&[Some(10.0), Some(12.0), None], &[11.0, 22.0]);
        assert_eq!((same.beyond, same.mark()), (BeyondNoise::No, ""));
        assert_eq!(changed(&[Some(2.0)], &[1.0, 1.0]).mark(), "?");
        assert_eq!(changed(&[Some(0.0), Some(0.0)], &[1.0, 1.0]).percent, None);
    }

    #[test]
    fn a_file_without_a_report_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("old.json");
        assert!(EarlierReport::read(&file).is_err());
        for text in ["{}", "no", r#"{"form":9,"at":"","outcomes":[]}"#] {
            std::fs::write(&file, text).expect("a file");
            assert!(EarlierReport::read(&file).is_err(), "{text}");
        }
        std::fs::write(&file, r#"{"form":1,"at":"then","outcomes":[]}"#).expect("a file");
        assert_eq!(EarlierReport::read(&file).expect("a report").at, "then");
    }
}

//! Chooses the charts for a scenario, only by the names and shapes of its figures.
//!
//! The quantiles of one quantity are one chart; parts of a figure are in its bars; a series over time is a line; a
//! figure that only one subject has is a number.

use std::fmt::Write;

use super::{bars, escape, quantiles};
use crate::report::document::{Figure, ScenarioOutcome};
use crate::report::text::{self, distinct, titled, value};

/// Prefix of the names of figures that are a part of another figure, in the same unit.
const PART: &str = "of that, ";

/// The role of a subject, by its name. Determines the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The product.
    Own,
    /// The subject with which the others are compared.
    Base,
    Other,
}

impl Whose {
    pub(super) fn of(subject: &str) -> Whose {
        let begins = |names: &[&str]| names.iter().any(|name| subject.starts_with(name));
        if begins(&["hyper", "ideal"]) {
            Whose::Base
        } else if begins(&["dyno", "web="]) {
            Whose::Own
        } else {
            Whose::Other
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Whose::Own => "own",
            Whose::Base => "base",
            Whose::Other => "other",
        }
    }
}

/// A card with a chart.
pub(super) struct Chart {
    pub(super) html: String,
    /// Whether the chart takes the whole width.
    pub(super) wide: bool,
}

/// Whether its subjects are all of one kind: then colours tell nothing.
pub(super) fn plain(outcome: &ScenarioOutcome) -> bool {
    let mut figures = outcome.figures.iter();
    figures.all(|figure| Whose::of(&figure.subject) == Whose::Other)
}

/// The charts, in the order in which their figures were added.
pub(super) fn of(outcome: &ScenarioOutcome) -> Vec<Chart> {
    let alone: Vec<&str> = outcome.alone().map(|figure| &*figure.name).collect();
    let repeats = |figure: &&Figure| !figure.series && !figure.name.starts_with(PART);
    let names = distinct(
        outcome
            .figures
            .iter()
            .filter(repeats)
            .map(|figure| &*figure.name),
    );
    let mut charts = Vec::new();
    let mut shown: Vec<String> = Vec::new();
    for name in names.iter().copied().filter(|name| !alone.contains(name)) {
        let group = quantiles::group(name);
        let several = |group: &String| {
            let same = names
                .iter()
                .filter(|name| quantiles::group(name).as_ref() == Some(group));
            same.count() > 1
        };
        match group.filter(several) {
            Some(group) if shown.contains(&group) => {}
            Some(group) => {
                charts.push(quantiles::chart(outcome, &group, &names));
                shown.push(group);
            }
            None => charts.push(bars::chart(outcome, name, &parts(outcome, name))),
        }
    }
    let series = outcome.figures.iter().filter(|figure| figure.series);
    charts.extend(series.map(line));
    charts.extend(single_subject_chart(outcome));
    charts
}

/// The names of the parts of a figure: it is the first one of its unit.
fn parts<'a>(outcome: &'a ScenarioOutcome, name: &str) -> Vec<&'a str> {
    let figures = || outcome.figures.iter();
    let Some(unit) = figures()
        .find(|figure| figure.name == name)
        .map(|figure| figure.unit)
    else {
        return Vec::new();
    };
    let whole = figures().find(|figure| figure.unit == unit);
    let parts = figures().filter(|figure| figure.name.starts_with(PART) && figure.unit == unit);
    if whole.is_none_or(|whole| whole.name != name) {
        return Vec::new();
    }
    distinct(parts.map(|figure| &*figure.name))
}

/// The name of a part, when it is shown beside its whole.
pub(super) fn part(name: &str) -> &str {
    name.strip_prefix(PART).unwrap_or(name)
}

/// A card around a chart.
pub(super) fn card(class: &str, title: &str, unit: &str, inside: &str) -> Chart {
    let unit = if unit.is_empty() || unit == "×" {
        String::new()
    } else {
        format!(" <small>{}</small>", escape(unit))
    };
    let title = escape(title);
    let html = format!("<div class=\"card {class}\"><h3>{title}{unit}</h3>\n{inside}</div>\n");
    let wide = class.contains("wide");
    Chart { html, wide }
}

/// A course over time.
fn line(figure: &Figure) -> Chart {
    /// Units of the drawing, which is stretched to the card.
    const WIDTH: f64 = 100.0;
    const HEIGHT: f64 = 40.0;
    let (min, max) = (figure.spread.min, figure.spread.max);
    // A course that hardly moves looks like one.
    let reach = (max - min).max(max.abs() / 20.0).max(f64::MIN_POSITIVE);
    let middle = f64::midpoint(min, max);
    let last = (figure.samples.len() as f64 - 1.0).max(1.0);
    let mut points = String::new();
    for (index, sample) in figure
        .samples
        .iter()
        .enumerate()
        .filter(|(_, sample)| sample.is_finite())
    {
        let x = index as f64 / last * WIDTH;
        let y = HEIGHT / 2.0 - (sample - middle) / reach * HEIGHT;
        let _ = write!(points, "{x:.2},{y:.2} ");
    }
    let end =
        |sample: Option<&f64>| sample.map_or_else(String::new, |sample| value(figure, *sample));
    let inside = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\"><title>{title}</title>\
         <polyline points=\"{points}\"/></svg>\n\
         <div class=\"ends\"><span>{first}</span><span>{low} to {high}</span><span>{last}</span></div>",
        title = escape(&super::samples(figure)),
        first = end(figure.samples.first()),
        last = end(figure.samples.last()),
        low = value(figure, min),
        high = value(figure, max),
    );
    let title = format!("{}, {}", figure.name, figure.subject);
    card("", &title, figure.unit, &inside)
}

/// A chart of the figures that only one subject has.
fn single_subject_chart(outcome: &ScenarioOutcome) -> Option<Chart> {
    let figures: Vec<&Figure> = outcome
        .alone()
        .filter(|figure| !figure.series && !figure.name.starts_with(PART))
        .collect();
    let mut inside = String::from("<div class=\"lone\">");
    for figure in &figures {
        let gate = figure.gate.map_or_else(String::new, |gate| {
            let class = if gate.held { "ok" } else { "bad" };
            format!(" <span class=\"{class}\">{}</span>", text::gate(gate))
        });
        let _ = write!(
            inside,
            "<div>{}: {} <b>{}</b>{gate}</div>",
            escape(&figure.subject),
            escape(&titled(&figure.name, figure.unit)),
            text::with_spread(figure)
        );
    }
    inside += "</div>";
    (!figures.is_empty()).then(|| card("wide", "in numbers", "", &inside))
}

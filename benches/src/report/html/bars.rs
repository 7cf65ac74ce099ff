//! Bars: one for each subject, with its spread and its parts. And the small one beside a gate.

use std::fmt::Write;

use super::charts::{Chart, Whose, card, part};
use super::{escape, samples};
use crate::report::document::{Figure, FigureGate, ScenarioOutcome};
use crate::report::statistics::SampleSpread;
use crate::report::text;

/// A bar is cut off beyond so many times the middle one, so that the others can be told apart.
const CUT_TIMES: f64 = 5.0;

/// A chart of one figure. `parts` are the names of figures that make it up.
pub(super) fn chart(outcome: &ScenarioOutcome, name: &str, parts: &[&str]) -> Chart {
    let figures: Vec<&Figure> = outcome
        .figures
        .iter()
        .filter(|figure| figure.name == name && !figure.series)
        .collect();
    let end = end(&figures);
    let mut inside = String::new();
    for figure in &figures {
        let parts: Vec<&Figure> = parts
            .iter()
            .filter_map(|part| outcome.figure(&figure.subject, part))
            .collect();
        inside += &render_row(figure, &parts, end);
    }
    inside += &render_legend(&figures, parts, end);
    let unit = figures.first().map_or("", |figure| figure.unit);
    let class = if parts.is_empty() { "" } else { "wide" };
    card(class, name, unit, &inside)
}

/// The end of the axis.
fn end(figures: &[&Figure]) -> f64 {
    let tops = figures.iter().map(|figure| top(figure));
    let tops: Vec<f64> = tops.filter(|top| top.is_finite()).collect();
    let SampleSpread { median, max, .. } = SampleSpread::of(&tops);
    let end = max.min(median * CUT_TIMES);
    if end > 0.0 { end } else { 1.0 }
}

/// The largest that is drawn of a figure: a bound counts, so that it can be seen.
fn top(figure: &Figure) -> f64 {
    let gate = figure.gate.and_then(|gate| gate.at_most.or(gate.at_least));
    figure.spread.max.max(gate.unwrap_or_default())
}

fn percent(value: f64, end: f64) -> f64 {
    let share = value / end * 100.0;
    if share.is_finite() {
        share.clamp(0.0, 100.0)
    } else {
        0.0
    }
}

fn render_row(figure: &Figure, parts: &[&Figure], end: f64) -> String {
    let class = Whose::of(&figure.subject).class();
    let (name, all) = (escape(&figure.subject), escape(&samples(figure)));
    let median = figure.spread.median;
    let spread =
        text::spread_percent(figure).map(|percent| format!(" <small>±{percent:.0}%</small>"));
    format!(
        "<div class=\"row {class}\" title=\"{all}\"><span class=\"name\">{name}</span>\
         <span class=\"track\">{}{}{}</span><span class=\"value\">{}{}</span></div>\n",
        render_bar(figure, parts, end),
        render_whisker(figure, end),
        bound(figure, end),
        text::value(figure, median),
        spread.unwrap_or_else(|| " <small></small>".to_owned())
    )
}

/// The bar, with its parts side by side. Parts are separate medians, whose sum may differ slightly from the
/// total: parts are scaled so that the bar has the length of the total.
fn render_bar(figure: &Figure, parts: &[&Figure], end: f64) -> String {
    let median = figure.spread.median;
    let cut = if median > end { " cut" } else { "" };
    let width = percent(median, end);
    let mut text = format!("<i class=\"bar{cut}\" style=\"width:{width:.2}%\"></i>");
    let sum: f64 = parts.iter().map(|part| part.spread.median).sum();
    let mut left = 0.0;
    for (index, part) in parts.iter().enumerate() {
        let share = percent(part.spread.median / sum * median, end);
        if index % 2 == 1 && left < 100.0 {
            let share = share.min(100.0 - left);
            let style = format!("left:{left:.2}%;width:{share:.2}%");
            let _ = write!(text, "<i class=\"bar part{cut}\" style=\"{style}\"></i>");
        }
        left += share;
    }
    text
}

fn render_whisker(figure: &Figure, end: f64) -> String {
    let SampleSpread { min, max, .. } = figure.spread;
    if figure.samples.len() < 2 || min > end {
        return String::new();
    }
    let (from, to) = (percent(min, end), percent(max, end));
    let width = to - from;
    let mut text = format!("<i class=\"whisker\" style=\"left:{from:.2}%;width:{width:.2}%\"></i>");
    for sample in figure.samples.iter().filter(|sample| **sample <= end) {
        let left = percent(*sample, end);
        let _ = write!(text, "<i class=\"sample\" style=\"left:{left:.2}%\"></i>");
    }
    text
}

fn bound(figure: &Figure, end: f64) -> String {
    let gate = figure.gate.and_then(|gate| gate.at_most.or(gate.at_least));
    let gate = gate.filter(|gate| *gate <= end);
    gate.map_or_else(String::new, |gate| {
        let left = percent(gate, end);
        format!("<i class=\"bound\" style=\"left:{left:.2}%\"></i>")
    })
}

fn render_legend(figures: &[&Figure], parts: &[&str], end: f64) -> String {
    let mut keys = Vec::new();
    for (index, name) in parts.iter().enumerate() {
        let class = if index % 2 == 1 { " part" } else { "" };
        keys.push(format!(
            "<i class=\"key{class}\"></i>{}",
            escape(part(name))
        ));
    }
    if figures.iter().any(|figure| figure.gate.is_some()) {
        keys.push("<i class=\"key bound\"></i>gate".to_owned());
    }
    if figures.iter().any(|figure| figure.spread.median > end) {
        keys.push("faded bars are longer than shown".to_owned());
    }
    if !parts.is_empty() {
        keys.push("dots are the rounds".to_owned());
    }
    if keys.is_empty() {
        return String::new();
    }
    let keys: Vec<String> = keys
        .iter()
        .map(|key| format!("<span>{key}</span>"))
        .collect();
    format!("<div class=\"legend\">{}</div>", keys.concat())
}

/// A gate's figure on a track with the bound in it.
pub(super) fn meter(figure: &Figure, gate: FigureGate) -> String {
    let bound = gate.at_most.or(gate.at_least).unwrap_or_default();
    let median = figure.spread.median;
    let end = if median.is_finite() {
        (bound * 2.0).max(median.min(bound * 3.0))
    } else {
        bound * 2.0
    };
    let (width, left) = (percent(median, end), percent(bound, end));
    format!(
        "<div class=\"track own\"><i class=\"bar\" style=\"width:{width:.2}%\"></i>\
         <i class=\"bound\" style=\"left:{left:.2}%\"></i></div>"
    )
}
